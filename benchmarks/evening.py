"""An evening's rollout of 40 fresh gateways of the lab in four waves, of which three fail, four are away and two wait
for a person, on a terminal of 80 columns: what its board said of the time that was left, against what it was.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.lab.process import client
from tests.fixtures.terminal import shown

GATEWAYS, _WAVES = 40, "[1, 5, 20]"
_FAIL, _AWAY, _WAIT = ("A84003", "A84009", "A84020"), ("A84007", "A84011", "A84022", "A84030"), ("A84014", "A84025")
# Work that is left is held against the estimate while it is at least so much: of a few seconds nobody plans anything.
_WORTH_TELLING = 15.0
# Some gateways away, some that wait: apply says so by its end.
_ENDS = 4
_SAID = re.compile(r"([\d:]+) of work(?:, about ([\d:]+) left)?")
_WAVE = re.compile(r"wave (\d+) of")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What stood on the board at a moment: the number of the wave, and in seconds what it had worked and thought to be
    left, None where it said nothing of that."""

    wave: int
    worked: float
    left: float | None
    rows: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Evening:
    """How the estimate did from the second wave on. `most` and `least`: of what it was; `off`: the share of all
    pictures in which it was off by more than a third; `grew`: the seconds by which it grew at most while no row of the
    board changed."""

    seconds: float
    most: float
    least: float
    off: float
    grew: float


def evening(fleet: Path, delay: float) -> Evening:
    """Play it, with gateways that take `delay` seconds of their own for each reading and task.

    Errors: RuntimeError where it did not end as such an evening does.
    """
    rows = [{"practice": f"A840{number:02}"} for number in range(1, GATEWAYS + 1)]
    with client.running(fleet, rows, state="fresh", delay=delay) as lab:
        with (fleet / "fleet.yml").open("a", encoding="utf-8") as file:
            file.write(f"\nrollout: {{waves: {_WAVES}, failed: {len(_FAIL) + 1}, approve_wait: 30}}\n")
        shown("audit", fleet=fleet)
        shown("plan", fleet=fleet)
        for names, fault in ((_FAIL, "disk_full"), (_AWAY, "offline"), (_WAIT, "no_approve")):
            for name in names:
                lab.set(name, fault)
        seen = shown("apply", "latest", "--yes", "--now", "--because", "a benchmark", "--unsure", "go-on", fleet=fleet)
    if seen.code != _ENDS:
        raise RuntimeError(f"the evening ended with {seen.code}: {seen.text}")
    return held([told for picture in seen.pictures if (told := _told(picture))])


def held(board: Sequence[Told]) -> Evening:
    """What the boards of a whole evening said, against how long it worked in the end. Pure."""
    whole = board[-1].worked
    later = [one for one in board if one.wave > 1 and one.left is not None and whole - one.worked >= _WORTH_TELLING]
    ratios = [(one.left or 0.0) / (whole - one.worked) for one in later]
    steps = [
        (after.left or 0.0) - (before.left or 0.0)
        for before, after in itertools.pairwise(board)
        if before.left is not None and after.left is not None and before.rows == after.rows
    ]
    return Evening(
        seconds=whole,
        most=max(ratios),
        least=min(ratios),
        off=sum(not 2 / 3 <= ratio <= 4 / 3 for ratio in ratios) / len(ratios),
        grew=max([0.0, *steps]),
    )


def _told(picture: Sequence[str]) -> Told | None:
    """None where the board does not stand there."""
    said, wave = _SAID.search("\n".join(picture)), _WAVE.search("\n".join(picture))
    if said is None:
        return None
    # Each row ends with its own seconds, which pass without any news.
    rows = tuple(re.sub(r"\d+:[\d:]+", "", line).strip() for line in picture if not _SAID.search(line))
    left = _seconds(said[2]) if said[2] else None
    return Told(wave=int(wave[1]) if wave else 0, worked=_seconds(said[1]), left=left, rows=rows)


def _seconds(clock: str) -> float:
    return float(sum(int(part) * 60**place for place, part in enumerate(reversed(clock.split(":")))))
