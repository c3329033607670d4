"""When a plan has to begin: what a change board decides by."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provisioner.execute.timing import timing
from provisioner.model import Plan, Step, Wave
from tests.worlds.memory import World, fleet, gateway

EVENINGS = "Mon-Fri 19:00-07:00"
# A Monday, in winter.
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def plan(kind: str = "rollout", *, seconds: float = 3540.0, waves: int = 1) -> Plan:
    """One gateway a wave, each of so many seconds and the minute in which it is read before and after."""
    whole = World(fleet(gateway("B84000"))).plan()
    made = tuple(
        Wave(number=number, steps=(Step(id=f"{number}", gateway=f"B8400{number}", practice="B84000", kind="playbook",
                                        remedy="java", role="java", seconds=seconds),))
        for number in range(waves)
    )  # fmt: skip
    return replace(whole, kind=kind, waves=made)


def of(*hours: str) -> list[str]:
    return list(hours)


CASES = {
    "an evening": (of(EVENINGS), 1, NOON, (23, 19), (24, 7), (24, 6)),
    "in the middle of one": (of(EVENINGS), 1, NOON.replace(hour=22), (23, 19), (24, 7), (24, 6)),
    "too late for this one": (of(EVENINGS), 1, NOON.replace(hour=6, minute=30), (23, 19), (24, 7), (24, 6)),
    "two waves": (of(EVENINGS, EVENINGS), 2, NOON, (23, 19), (24, 7), (24, 5)),
    "the hours that all have": (of(EVENINGS, "Mon-Fri 18:00-22:00"), 2, NOON, (23, 19), (23, 22), (23, 20)),
    "a gateway of any time": (of(EVENINGS, ""), 2, NOON, (23, 19), (24, 7), (24, 5)),
    "no window is long enough": (of("Mon 19:00-20:00", ""), 2, NOON, (23, 19), (23, 20), None),
    "they never meet": (of("Mon 19:00-22:00", "Tue 19:00-22:00"), 2, NOON, None, None, None),
    "any time": (of(""), 1, NOON, None, None, None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_last_safe_start(name: str) -> None:
    hours, waves, at, opens, closes, last = CASES[name]
    rows = [replace(gateway("B84000"), name=f"B8400{number}", hours=text) for number, text in enumerate(hours)]
    found = timing(plan(waves=waves), fleet(*rows), at, cores=1)
    assert found.seconds == 3600 * waves
    assert [(one.day, one.hour) if one else None for one in (found.opens, found.closes, found.last)] == [
        opens, closes, last,
    ]  # fmt: skip


def test_the_way_back_is_open_at_any_hour() -> None:
    row = replace(gateway("B84000"), hours=EVENINGS)
    assert timing(plan("undo"), fleet(row), NOON, cores=1).opens is None


def test_a_night_on_which_the_clock_changes_has_its_own_length() -> None:
    saturday = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    row = replace(gateway("B84000"), hours="Sat 23:00-04:00")
    found = timing(plan(), fleet(row), saturday, cores=1)
    assert found.opens and found.closes and found.closes - found.opens == timedelta(hours=4)
