"""When a gateway may be touched: weekly windows in England's wall time, bank holidays left out.

Windows are written as `Mon-Fri 19:00-07:00; Sat-Sun 00:00-24:00` (docs/operations.md, "Hours"). What is worked out
from them is in UTC, so that the length of a window is right on the nights on which the clock changes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/London")
EXAMPLE = "Mon-Fri 19:00-07:00; Sat-Sun 00:00-24:00"

_ALWAYS, _NEVER = "always", "never"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BY_NAME = {name: day for day, whole in enumerate(_DAYS) for name in (whole, whole[:3])}
_TIMES = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_DAY = 24 * 60
_AHEAD = timedelta(days=60)
# Further than any windows adjoin, as long as there are bank holidays between them.
_LONGEST = timedelta(days=366)


@dataclass(frozen=True, order=True)
class Window:
    """A time in which a gateway may be touched: from `opens` until before `closes`, both in UTC."""

    opens: datetime
    closes: datetime


# What `always` gives, at whatever moment it is asked.
ANY_TIME = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Opening:
    """One window of every week: `day` is 0 for Monday; `opens` and `closes` are minutes after that day's midnight,
    `closes` more than a day's where the window runs past midnight."""

    day: int
    opens: int
    closes: int


@dataclass(frozen=True)
class Hours:
    """The weekly windows of a gateway, and their text as a person wrote it. Without `weekly`: any time."""

    text: str
    weekly: tuple[Opening, ...] = ()

    def window(self, at: datetime) -> Window | None:
        """The window that holds a moment (with a time zone), together with those that adjoin it; None: shut."""
        if not self.weekly:
            return ANY_TIME
        held = [window for window in self._around(at) if window.opens <= at < window.closes]
        if not held:
            return None
        opens, closes = min(held).opens, max(window.closes for window in held)
        while closes - at < _LONGEST:
            later = [window.closes for window in self._around(closes) if window.opens <= closes < window.closes]
            if not later:
                break
            closes = max(later)
        while at - opens < _LONGEST:
            earlier = [window.opens for window in self._around(opens) if window.opens < opens <= window.closes]
            if not earlier:
                break
            opens = min(earlier)
        return Window(opens, closes)

    def next(self, at: datetime) -> Window | None:
        """The window that holds a moment (with a time zone), else the first that opens within the 60 days after it;
        None: there is none."""
        held = self.window(at)
        if held is not None:
            return held
        today = at.astimezone(ZONE).date()
        for ahead in range(_AHEAD.days + 1):
            later = [window.opens for window in self._on(today + timedelta(days=ahead)) if window.opens > at]
            if later:
                return self.window(min(later))
        return None

    def _around(self, at: datetime) -> list[Window]:
        """The windows that can hold a moment or end at it: none is longer than a day."""
        day = at.astimezone(ZONE).date()
        return [*self._on(day - timedelta(days=1)), *self._on(day)]

    def _on(self, day: date) -> list[Window]:
        """The windows that begin on a day."""
        if day in _bank_holidays(day.year):
            return []
        own = (hours for hours in self.weekly if hours.day == day.weekday())
        windows = (Window(_moment(day, hours.opens), _moment(day, hours.closes)) for hours in own)
        # One that lies in the hour that is left out in spring has no length.
        return [window for window in windows if window.opens < window.closes]


def parse(text: str) -> Hours:
    """The hours that a text says: windows such as `Mon,Wed-Fri 19:00-07:00; Sat 08:00-12:00`, or `always`. A blank text
    is any time too.

    Errors: ValueError with a sentence that says what is wrong and what is right.
    """
    said = " ".join(text.split())
    if said.lower() in ("", _ALWAYS):
        return Hours(said.lower() or _ALWAYS)
    if said.lower() == _NEVER:
        raise ValueError(f"{_NEVER} leaves no time at all: give days and times, such as {EXAMPLE}.")
    plain = re.sub(r"\s*[-\u2010-\u2015]\s*", "-", said)
    weekly = tuple(dict.fromkeys(opening for entry in plain.split(";") for opening in _entry(entry)))
    if not weekly:
        raise ValueError(f"{_shown(said)} names no window: give days and times, such as {EXAMPLE}.")
    return Hours(said, weekly)


def _entry(text: str) -> Iterator[Opening]:
    """The windows of one entry: days and their times, and again days and theirs."""
    days: list[int] = []
    named, timed = "", False
    for word in re.findall(r"[^,\s]+", text):
        times = _times(word)
        if times is None:
            if timed:
                days, timed = [], False
            days, named = days + _days(word), word
        elif days:
            timed = True
            yield from (Opening(day, *times) for day in days)
        else:
            raise ValueError(f"{word} has no days: write them before it, such as Mon-Fri {word}.")
    if days and not timed:
        raise ValueError(f"{named} has no times: write them after it, such as {named} 19:00-07:00.")


def _days(word: str) -> list[int]:
    """The days of a word such as mon or sat-mon, 0 for Monday."""
    first, dash, last = word.lower().partition("-")
    if first not in _BY_NAME or (dash and last not in _BY_NAME):
        message = f"{_shown(word)} is neither days nor times: write days as Mon or Mon-Fri and times as 19:00-07:00"
        raise ValueError(f"{message}, or {_ALWAYS} alone.")
    begin = _BY_NAME[first]
    end = _BY_NAME[last] if dash else begin
    return [(begin + ahead) % 7 for ahead in range((end - begin) % 7 + 1)]


def _times(word: str) -> tuple[int, int] | None:
    """The minutes after midnight of a word such as 19:00-07:00; None where it has not that shape."""
    found = _TIMES.fullmatch(word)
    if not found:
        return None
    hours, minutes, until_hours, until_minutes = map(int, found.groups())
    opens, closes = hours * 60 + minutes, until_hours * 60 + until_minutes
    if max(minutes, until_minutes) > 59 or opens >= _DAY or closes > _DAY:
        raise ValueError(f"{word} is no time: a window begins at 00:00 to 23:59 and ends at 00:00 to 24:00.")
    return opens, closes if closes > opens else closes + _DAY


def _moment(day: date, minutes: int) -> datetime:
    """The moment at which the clock shows so many minutes after a day's midnight; of two, in autumn, the first."""
    days, minutes = divmod(minutes, _DAY)
    wall = datetime.combine(day + timedelta(days=days), time(*divmod(minutes, 60)), ZONE)
    moment = wall.astimezone(UTC)
    # In spring the clock jumps over an hour. What would begin or end within it does so at the jump.
    return moment if moment.astimezone(ZONE) == wall else moment.replace(minute=0)


@cache
def _bank_holidays(year: int) -> frozenset[date]:
    # It takes a third of a second to load, and only who asks for a window pays for it.
    from holidays import country_holidays

    return frozenset(country_holidays("GB", subdiv="ENG", years=year))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 30 else text[:30] + "...")
