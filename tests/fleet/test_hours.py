"""When a gateway may be touched: what a text means, and the nights on which the clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.fleet.hours import ANY_TIME, EXAMPLE, Hours, Window, parse

LONDON = ZoneInfo("Europe/London")
# Of a month without bank holidays and changes of the clock.
MONDAY = datetime(2026, 6, 1, tzinfo=LONDON)
NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def at(text: str) -> datetime:
    """A moment as England's clock shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


def told(window: Window | None) -> tuple[str, str] | None:
    """A window as England's clock shows its ends."""
    if window is None:
        return None
    opens, closes = (moment.astimezone(LONDON) for moment in (window.opens, window.closes))
    return f"{opens:%a %d %H:%M}", f"{closes:%a %d %H:%M}"


def length(window: Window | None) -> float:
    """A window's length in hours."""
    assert window is not None
    return (window.closes - window.opens) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "moment", "window"),
    [
        ("Mon 09:00-17:00", "2026-06-01 09:00", ("Mon 01 09:00", "Mon 01 17:00")),
        ("Mon 09:00-17:00", "2026-06-01 16:59", ("Mon 01 09:00", "Mon 01 17:00")),
        ("Mon 09:00-17:00", "2026-06-01 17:00", None),
        ("Mon 09:00-17:00", "2026-06-01 08:59", None),
        ("Mon 09:00-17:00", "2026-06-02 10:00", None),
        ("Mon 19:00-07:00", "2026-06-02 06:59", ("Mon 01 19:00", "Tue 02 07:00")),
        ("Mon 19:00-07:00", "2026-06-01 06:59", None),
        ("Mon 19:00-19:00", "2026-06-02 18:00", ("Mon 01 19:00", "Tue 02 19:00")),
        ("Mon 00:00-00:00", "2026-06-01 12:00", ("Mon 01 00:00", "Tue 02 00:00")),
        ("Mon 00:00-24:00", "2026-06-01 12:00", ("Mon 01 00:00", "Tue 02 00:00")),
        (EXAMPLE, "2026-06-06 12:00", ("Fri 05 19:00", "Mon 08 00:00")),
        (EXAMPLE, "2026-06-05 20:00", ("Fri 05 19:00", "Mon 08 00:00")),
        ("Mon 09:00-12:00, 12:00-13:00", "2026-06-01 12:30", ("Mon 01 09:00", "Mon 01 13:00")),
        ("Mon 09:00-12:00; Mon 11:00-13:00", "2026-06-01 11:30", ("Mon 01 09:00", "Mon 01 13:00")),
        ("Mon 09:00-12:00, 12:01-13:00", "2026-06-01 11:59", ("Mon 01 09:00", "Mon 01 12:00")),
        ("Mon-Sun 00:00-24:00", "2026-06-01 12:00", ("Tue 26 00:00", "Mon 31 00:00")),
        ("Mon 22:00-02:00; Tue 01:00-03:00", "2026-06-02 02:30", ("Mon 01 22:00", "Tue 02 03:00")),
    ],
)
def test_the_window_that_holds_a_moment(text: str, moment: str, window: tuple[str, str] | None) -> None:
    assert told(parse(text).window(at(moment))) == window


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Sat 20:00-06:00, Sun 08:00-24:00", "Sat Sun"),
        ("sat,SUNDAY 20:00-21:00", "Sat Sun"),
        ("Mon, Wed , Fri 20:00-21:00", "Mon Wed Fri"),
        ("Mon,Wed-Fri 20:00-21:00", "Mon Wed Thu Fri"),
        ("Sat-Mon 20:00-21:00", "Mon Sat Sun"),
        ("monday\u2013FRIDAY  20:00 \u2013 21:00", "Mon Tue Wed Thu Fri"),
        ("Tue - Thu 20:00 - 21:00;", "Tue Wed Thu"),
        ("Mon\n20:00-21:00\n;\nTue 20:00-21:00", "Mon Tue"),
        ("Mon-Mon 20:00-21:00", "Mon"),
        ("Mon-Sun 8:30-9:00 20:00-21:00", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)
def test_the_ways_to_write_days(text: str, days: str) -> None:
    hours = parse(text)
    evenings = [MONDAY.replace(day=1 + day, hour=20, minute=30) for day in range(7)]
    assert " ".join(name for name, evening in zip(NAMES, evenings, strict=True) if hours.window(evening)) == days


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("never", "never leaves no time at all: give days and times"),
        ("Never", "never leaves no time at all"),
        (" ; , ;", "names no window"),
        ("Mno 19:00-20:00", "'Mno' is neither days nor times: write days as Mon or Mon-Fri"),
        ("Mon-Fry 19:00-20:00", "'Mon-Fry' is neither"),
        ("Mon-Wed-Fri 19:00-20:00", "'Mon-Wed-Fri' is neither"),
        ("Llun 19:00-20:00", "'Llun' is neither"),
        ("Mon 19.00-20.00", "'19.00-20.00' is neither"),
        ("Mon 19:00", "'19:00' is neither"),
        ("Mon 1900-2000", "'1900-2000' is neither"),
        ("Mon 19:00-", "'19:00-' is neither"),
        ("Mon \u0661\u0669:00-20:00", "is neither"),
        ("Mon-Fri", "Mon-Fri has no times: write them after it, such as Mon-Fri 19:00-07:00."),
        ("Mon; Tue 19:00-20:00", "Mon has no times"),
        ("Mon 19:00-20:00, Tue", "Tue has no times"),
        ("19:00-20:00", "19:00-20:00 has no days: write them before it, such as Mon-Fri 19:00-20:00."),
        ("Mon 19:00-20:00; 21:00-22:00", "21:00-22:00 has no days"),
        ("Mon 24:00-06:00", "24:00-06:00 is no time: a window begins at 00:00 to 23:59"),
        ("Mon 25:00-06:00", "25:00-06:00 is no time"),
        ("Mon 19:00-24:01", "19:00-24:01 is no time"),
        ("Mon 19:60-20:00", "19:60-20:00 is no time"),
        ("always; Mon 19:00-20:00", "or always alone"),
        ("Mon " + "x" * 5000, "xxx...' is neither"),
    ],
)
def test_a_text_that_says_no_hours_is_told_what_is_wrong_and_what_is_right(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["always", " ALWAYS ", "", "  "])
def test_always_and_a_blank_are_any_time_and_know_no_holidays(text: str) -> None:
    hours = parse(text)
    assert hours == Hours("always")
    christmas = at("2026-12-25 12:00")
    assert hours.window(christmas) == hours.next(christmas) == ANY_TIME
    assert ANY_TIME.opens < christmas - timedelta(days=3650) < christmas + timedelta(days=3650) < ANY_TIME.closes


@pytest.mark.parametrize(
    ("text", "moment", "window"),
    [
        # Easter 2026: Good Friday is 3 April, Easter Monday the 6th.
        (EXAMPLE, "2026-04-03 06:59", ("Thu 02 19:00", "Fri 03 07:00")),
        (EXAMPLE, "2026-04-03 20:00", None),
        (EXAMPLE, "2026-04-04 00:00", ("Sat 04 00:00", "Mon 06 00:00")),
        (EXAMPLE, "2026-04-06 20:00", None),
        ("Sun 20:00-08:00", "2026-04-06 07:00", ("Sun 05 20:00", "Mon 06 08:00")),
        # 26 December 2026 is a Saturday: the Monday after it is the bank holiday in its place.
        ("Mon 09:00-17:00", "2026-12-28 12:00", None),
        # Scotland's second of January and Ireland's Saint Patrick are no holidays of England.
        ("Fri 09:00-17:00", "2026-01-02 12:00", ("Fri 02 09:00", "Fri 02 17:00")),
        ("Tue 09:00-17:00", "2026-03-17 12:00", ("Tue 17 09:00", "Tue 17 17:00")),
        # 23:30 of Sunday in UTC is Monday in England.
        ("Mon 00:00-02:00", "2026-05-04 00:30", None),
    ],
)
def test_a_window_that_would_begin_on_a_bank_holiday_is_left_out(
    text: str, moment: str, window: tuple[str, str] | None
) -> None:
    assert told(parse(text).window(at(moment))) == window


@pytest.mark.parametrize(
    ("text", "moment", "opens"),
    [
        ("Mon 09:00-17:00", "2026-06-01 17:00", "2026-06-08 09:00"),
        ("Mon 09:00-17:00", "2026-06-01 08:00", "2026-06-01 09:00"),
        ("Mon 09:00-17:00", "2026-06-01 12:00", "2026-06-01 09:00"),
        ("Mon 09:00-17:00", "2026-03-30 18:00", "2026-04-13 09:00"),
        ("Fri 09:00-17:00", "2026-12-18 17:00", "2027-01-08 09:00"),
        ("Mon 20:00-21:00, 09:00-10:00", "2026-06-01 08:00", "2026-06-01 09:00"),
        ("Mon 20:00-21:00, 09:00-10:00", "2026-06-01 10:00", "2026-06-01 20:00"),
    ],
)
def test_the_next_window(text: str, moment: str, opens: str) -> None:
    found = parse(text).next(at(moment))
    assert found is not None
    assert found.opens == at(opens)
    assert found.opens.tzinfo is UTC
    assert found.closes.tzinfo is UTC


def test_the_next_window_is_told_together_with_those_that_adjoin_it() -> None:
    assert told(parse(EXAMPLE).next(at("2026-06-05 12:00"))) == ("Fri 05 19:00", "Mon 08 00:00")


SPRING = ("2026-03-29", "2027-03-28")
AUTUMN = ("2026-10-25", "2027-10-31")


@pytest.mark.parametrize(("days", "hours"), [(SPRING, 3), (AUTUMN, 5)])
def test_a_window_over_the_change_of_the_clock_has_another_length(days: tuple[str, ...], hours: int) -> None:
    night = parse("Sat 23:00-03:00")
    for day in days:
        window = night.window(at(f"{day} 00:30"))
        assert length(window) == hours
        assert window is not None
        assert window.closes == at(f"{day} 03:00")
        assert length(parse("Sun 00:00-24:00").window(at(f"{day} 12:00"))) == hours + 20


@pytest.mark.parametrize("day", SPRING)
def test_a_time_that_spring_leaves_out_is_the_moment_of_the_jump(day: str) -> None:
    jump = datetime.fromisoformat(f"{day} 01:00").replace(tzinfo=UTC)
    begun = parse("Sun 01:30-05:00").window(at(f"{day} 04:00"))
    ended = parse("Sat 23:00-01:30").window(at(f"{day} 00:30"))
    assert begun == Window(jump, at(f"{day} 05:00").astimezone(UTC))
    assert ended is not None
    assert ended.closes == jump
    within = parse("Sun 01:15-01:45")
    assert within.window(jump) is None
    following = within.next(jump - timedelta(minutes=1))
    assert following is not None
    assert following.opens == jump + timedelta(days=7, minutes=15) - timedelta(hours=1)
    joined = parse("Sat 23:00-01:30; Sun 01:30-05:00").window(jump)
    assert joined is not None
    assert length(joined) == 5


@pytest.mark.parametrize("day", AUTUMN)
def test_a_time_that_autumn_has_twice_is_the_first(day: str) -> None:
    first = datetime.fromisoformat(f"{day} 00:30").replace(tzinfo=UTC)
    assert length(parse("Sun 01:30-05:00").window(first)) == 4.5
    ended = parse("Sat 23:00-01:30")
    assert ended.window(first) is None
    assert length(ended.window(first - timedelta(seconds=1))) == 2.5


clock = st.integers(0, 24 * 60 - 1).map(lambda minutes: f"{minutes // 60:02}:{minutes % 60:02}")
times = st.builds("{}-{}".format, clock, clock | st.just("24:00"))
days = st.lists(st.sampled_from(NAMES) | st.sampled_from(["Mon-Fri", "sat-sun", "Friday - Monday"]), min_size=1).map(
    ",".join
)
entries = st.builds("{} {}".format, days, st.lists(times, min_size=1, max_size=3).map(", ".join))
texts = st.just("always") | st.lists(entries, min_size=1, max_size=3).map("; ".join)
# Three years of moments, and more of those at which something happens: bank holidays and changes of the clock.
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC)) | st.builds(
    lambda day, minutes: at(f"{day} 00:00") + timedelta(minutes=minutes),
    st.sampled_from([*SPRING, *AUTUMN, "2026-04-03", "2026-04-06", "2026-12-28", "2027-01-01"]),
    st.integers(-2000, 3000),
)


@settings(deadline=None)
@given(text=texts, moment=moments)
def test_windows_are_what_they_claim_to_be(text: str, moment: datetime) -> None:
    hours = parse(text)
    held, following = hours.window(moment), hours.next(moment)
    assert parse(hours.text) == hours
    assert held is None or held.opens <= moment < held.closes
    # Every week has a window, and no run of bank holidays is as long as sixty days: what can be read opens.
    assert following is not None
    assert following.opens < following.closes
    assert following == held if held else moment < following.opens <= moment + timedelta(days=60)


@settings(deadline=None)
@given(text=texts, moment=moments)
def test_a_window_is_whole_and_nothing_is_open_beside_it(text: str, moment: datetime) -> None:
    hours = parse(text)
    window = hours.next(moment)
    assert window is not None
    if window == ANY_TIME:
        return
    second = timedelta(seconds=1)
    assert hours.window(window.opens) == hours.window(window.closes - second) == window
    assert hours.window(window.opens - second) is None
    assert hours.window(window.closes) is None
    if hours.window(moment) is None:
        assert hours.window(moment + (window.opens - moment) / 2) is None


@given(text=st.text(max_size=40) | st.text(alphabet="monfriSUN0129:-,; always", max_size=40))
def test_any_text_says_hours_or_why_it_does_not(text: str) -> None:
    try:
        hours = parse(text)
    except ValueError as error:
        assert str(error).endswith(".")
    else:
        assert parse(hours.text) == hours
