"""`make bench`: audits of estates of several sizes on the lab, others beside them, reports, and a journal of years.

Only 127.0.0.0/8 is asked, of the lab's own processes, which end with it. Writes benchmarks/results.md. Ends with 1
where a ratio is missed: a ratio holds on any machine. An absolute figure that is missed is printed as missed.
"""

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benchmarks import applies, evening, ways, years
from benchmarks.measure import NOBODY_ASKED, PROVISIONER, WELL, Cost, cost, machine, on_terminal
from provisioner.lab.process import client

RESULTS = Path(__file__).parent / "results.md"
# What the lab's gateways take of their own, in seconds.
_DELAY = 1.0
# What the budgets are for: every active practice in England with SystmOne, and every one.
_SYSTMONE, _ENGLAND = 2225, 6618
# A team's gateways, so few that others take no quarter of an hour for them, and fewer still.
_TEAM, _SMALL, _FEW = 400, 100, 40
# Seconds of an old PC; nights by which a journal's size is told.
_SLOW, _SOME_NIGHTS = 20.0, 40


@dataclass(frozen=True, kw_only=True)
class Line:
    """One figure: what it is, what it may be at most (None: only told), in what unit, and whether it is a ratio."""

    what: str
    measured: float
    budget: float | None = None
    unit: str = ""
    ratio: bool = False

    @property
    def missed(self) -> bool:
        """Whether it is more than it may be."""
        return self.budget is not None and self.measured > self.budget

    def __str__(self) -> str:
        budget = "" if self.budget is None else f"{self.budget:.3g} {self.unit}".strip()
        met = "" if self.budget is None else "missed" if self.missed else "met"
        return f"| {self.what} | {budget} | {self.measured:,.2f} {self.unit} | {met} |"


def main() -> None:
    """Measure, write it down, and say it."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument(
        "--sizes", type=_numbers, default=f"100,400,{_SYSTMONE}", help="How many gateways; the last has the reports."
    )
    options.add_argument("--parts", default=",".join(PARTS), help="Which of the parts; default: all, in this order.")
    options.add_argument(
        "--applies", type=_numbers, default="20,50", help="How many fresh gateways are made ready, in one wave."
    )
    options.add_argument(
        "--alone", type=_numbers, default="100,200", help="How many more, without plain Ansible beside them."
    )
    options.add_argument("--only-print", action="store_true", help="Do not write results.md.")
    given = options.parse_args()
    lines = list[Line]()
    with tempfile.TemporaryDirectory(prefix="provisioner-bench-") as folder:
        # What is kept in a person's own folder is not to be mixed with what is measured.
        os.environ["XDG_STATE_HOME"] = str(Path(folder) / "state")
        for part in given.parts.split(","):
            (Path(folder) / part).mkdir()
            for line in PARTS[part](Path(folder) / part, given):
                lines.append(line)
                print(line, flush=True)
    text = _document(lines)
    if not given.only_print:
        RESULTS.write_text(text, "utf-8")
    sys.exit(any(line.missed and line.ratio for line in lines))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _commands(folder: Path, _: argparse.Namespace) -> Iterator[Line]:
    yield Line(what="`provisioner --help`", measured=_least([*PROVISIONER, "--help"]).seconds, budget=0.3, unit="s")
    fleet = folder / "england"
    cost([*PROVISIONER, "init", fleet])
    rows = [
        (code, code, f"PC-{code}", f"10.0.{at // 256}.{at % 256}", "active") for at, code in enumerate(_codes(_ENGLAND))
    ]
    with (fleet / "practices.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("practice", "name", "gateway", "address", "role"), *rows])
    validated = _least([*PROVISIONER, "--fleet", fleet, "validate"])
    yield Line(what=f"`validate` of {_ENGLAND:,} practices", measured=validated.seconds, budget=2, unit="s")


def _audits(folder: Path, given: argparse.Namespace) -> Iterator[Line]:
    """Audits of each size, and beside each plain pywinrm; then the reports of the largest, and how it grows."""
    sizes: list[int] = given.sizes
    costs = list[tuple[int, Cost, int]]()
    for size in sizes:
        fleet, whole = folder / f"lab-{size}", size == _SYSTMONE
        with client.running(fleet, _rows(size), state="mixed", delay=_DELAY) as lab:
            audit = cost([*PROVISIONER, "--fleet", fleet, "audit"])
            heard = lab.heard()
            peer = cost([sys.executable, "-m", "benchmarks.peers", fleet, "pywinrm"])
            costs.append((size, audit, (fleet / ".provisioner" / "journal.db").stat().st_size))
            mine, plain = 1000 * audit.cpu / size, 1000 * peer.cpu / size
            what = f"audit of {size:,}: "
            yield Line(what=what + "time", measured=audit.seconds, budget=30 if whole else None, unit="s")
            for name, most in (("messages", 6), ("requests", 8)):
                # Some are not let in, and are told none.
                yield Line(what=f"{what}{name} to a gateway", measured=heard[name] / size, budget=most, ratio=True)
            yield Line(what=what + "first gateway on the screen", measured=audit.first, budget=2, unit="s")
            yield Line(what=what + "memory", measured=audit.memory, budget=120 if whole else None, unit="MB")
            yield Line(what=what + "CPU a gateway", measured=mine, budget=8 if whole else None, unit="ms")
            yield Line(what=what + "plain pywinrm, CPU a gateway", measured=plain, unit="ms")
            # Starting costs as much for one gateway as for all.
            ratio = 0.25 if whole else None
            yield Line(what=what + "CPU against plain pywinrm", measured=mine / plain, budget=ratio, ratio=True)
            if size == sizes[-1]:
                yield from _reports(folder, fleet, size)
                yield from _looks(folder, fleet, size)
    yield from _growth(costs)


def _reports(folder: Path, fleet: Path, size: int) -> Iterator[Line]:
    whole = size == _SYSTMONE
    for kind in ("html", "csv", "json", "junit"):
        page = folder / f"report.{kind}"
        made = cost([*PROVISIONER, "--fleet", fleet, "report", "--as", kind, "--output", page])
        limits = (5, 6) if kind == "html" and whole else (None, None)
        megabytes = page.stat().st_size / 1e6
        yield Line(what=f"report of {size:,} as {kind}: time", measured=made.seconds, budget=limits[0], unit="s")
        yield Line(what=f"report of {size:,} as {kind}: CPU", measured=made.cpu, unit="s")
        yield Line(what=f"report of {size:,} as {kind}: size", measured=megabytes, budget=limits[1], unit="MB")
        yield Line(what=f"report of {size:,} as {kind}: memory", measured=made.memory, unit="MB")


def _looks(folder: Path, fleet: Path, size: int) -> Iterator[Line]:
    """Verbs that look at that audit, each as a person gives it."""
    for words in (
        ("show", "latest"), ("why", _codes(size)[0], "R14-rule"), ("forecast",), ("plan",),
        ("requests", "latest", "--output", folder / "papers"),
        ("report", "--per-practice", "--output", folder / "letters"),
    ):  # fmt: skip
        took = cost([*PROVISIONER, "--fleet", fleet, *words])
        verb = " ".join(word for word in words if isinstance(word, str) and word != "--output")
        yield Line(what=f"`{verb}` of {size:,}: time", measured=took.seconds, unit="s")
        yield Line(what=f"`{verb}` of {size:,}: memory", measured=took.memory, unit="MB")


def _growth(costs: Sequence[tuple[int, Cost, int]]) -> Iterator[Line]:
    """What one more gateway costs, between each size and the next; it may not grow with the size."""
    slopes: dict[str, list[float]] = {}
    for (fewer, before, was), (more, after, grown) in pairwise(costs):
        what, number = f"one more gateway, from {fewer:,} to {more:,}: ", more - fewer
        each = (
            ("time", 1000 * (after.seconds - before.seconds) / number, "ms"),
            ("CPU", 1000 * (after.cpu - before.cpu) / number, "ms"),
            ("memory", 1000 * (after.memory - before.memory) / number, "kB"),
            ("journal", (grown - was) / number / 1000, "kB"),
        )
        for name, measured, unit in each:
            slopes.setdefault(name, []).append(measured)
            yield Line(what=what + name, measured=measured, unit=unit)
    for name, its in slopes.items():
        if len(its) > 1 and its[0] > 0:
            what = f"{name} of one more gateway, at the most against at the fewest"
            yield Line(what=what, measured=its[-1] / its[0], budget=1.5, ratio=True)


def _quick(folder: Path, given: argparse.Namespace) -> Iterator[Line]:
    """Gateways that take no time of their own, so that ours is all there is; to a file, and on a terminal."""
    for size in given.sizes:
        fleet = folder / f"lab-{size}"
        with client.running(fleet, _rows(size), state="mixed"):
            audit: list[str | Path] = [*PROVISIONER, "--fleet", fleet, "audit"]
            for one, where in ((cost(audit), "to a file"), (on_terminal(audit), "on a terminal")):
                what = f"audit of {size:,} at 0 s each, {where}: "
                yield Line(what=what + "time", measured=one.seconds, unit="s")
                yield Line(what=what + "first sign of life", measured=one.first, budget=2, unit="s")
                yield Line(what=what + "CPU a gateway", measured=1000 * one.cpu / size, unit="ms")
                yield Line(what=what + "memory", measured=one.memory, unit="MB")


def _slow(folder: Path, _: argparse.Namespace) -> Iterator[Line]:
    """Gateways that take long, as old PCs do."""
    with client.running(folder / "lab", _rows(_TEAM), state="mixed", delay=_SLOW):
        audit = cost([*PROVISIONER, "--fleet", folder / "lab", "audit"])
    yield Line(what=f"audit of {_TEAM} at {_SLOW:g} s each: time", measured=audit.seconds, budget=90, unit="s")


def _ways(folder: Path, _: argparse.Namespace) -> Iterator[Line]:
    """An audit by each way into a gateway."""
    for way in ways.ways(folder, _codes(_TEAM), _DELAY):
        what, kerberos = f"audit of {_TEAM} by {way.name}: ", way.name.startswith("Kerberos")
        yield Line(what=what + "time", measured=way.cost.seconds, unit="s")
        budget = 12 if kerberos else None
        yield Line(what=what + "CPU a gateway", measured=1000 * way.cost.cpu / _TEAM, budget=budget, unit="ms")
        yield Line(what=what + "memory", measured=way.cost.memory, unit="MB")
        if way.bytes is not None:
            # The directory's own traffic is on loopback as well.
            of = "its gateways and its directory" if kerberos else "its gateways"
            yield Line(what=f"{what}on the wire with {of}, each", measured=way.bytes / _TEAM / 1000, unit="kB")


def _peers(folder: Path, _: argparse.Namespace) -> Iterator[Line]:
    """What others take for the same gateways; Ansible for less (peers.py)."""
    what = f"{_SMALL} gateways by "
    with client.running(folder / "lab", _rows(_SMALL), state="mixed", delay=_DELAY):
        audit = cost([*PROVISIONER, "--fleet", folder / "lab", "audit"])
        yield Line(what=f"{what}provisioner audit: CPU a gateway", measured=1000 * audit.cpu / _SMALL, unit="ms")
        for who in ("pywinrm", "pypsrp", "ansible", "modules"):
            peer = cost([sys.executable, "-m", "benchmarks.peers", folder / "lab", who])
            name = {"ansible": "Ansible, one small task", "modules": "Ansible, five modules"}.get(who, who)
            yield Line(what=f"{what}{name}: time", measured=peer.seconds, unit="s")
            yield Line(what=f"{what}{name}: CPU a gateway", measured=1000 * peer.cpu / _SMALL, unit="ms")
            ratio = audit.cpu / peer.cpu
            budget = 1 / 15 if who == "modules" else None
            yield Line(what=f"{what}provisioner audit, CPU against {name}", measured=ratio, budget=budget, ratio=True)


def _journal(folder: Path, _: argparse.Namespace) -> Iterator[Line]:
    """Verbs on a journal of three years, of few gateways so that it is made in a minute; and what a night takes of
    many."""
    for gateways, nights in ((_FEW, years.NIGHTS), (_TEAM, _SOME_NIGHTS)):
        fleet = folder / f"lab-{gateways}"
        with client.running(fleet, _rows(gateways), state="mixed"):
            cost([*PROVISIONER, "--fleet", fleet, "audit"])
        plan = cost([*PROVISIONER, "--fleet", fleet, "plan"])
        file = fleet / ".provisioner" / "journal.db"
        before = file.stat().st_size
        years.main(fleet, nights)
        night = (file.stat().st_size - before) / nights
        if gateways == _TEAM:
            yield Line(what=f"`plan` of {_TEAM}", measured=plan.seconds, unit="s")
            what = f"journal of {years.NIGHTS:,} audits of {_TEAM}, by {nights} nights"
            yield Line(what=what, measured=years.NIGHTS * night / 1e6, budget=500, unit="MB")
        else:
            yield from _verbs(fleet, nights)


def _verbs(fleet: Path, nights: int) -> Iterator[Line]:
    whole = cost([*PROVISIONER, "--fleet", fleet, "journal", "verify"])
    yield Line(what=f"`journal verify` of {nights:,} audits of {_FEW}", measured=whole.seconds, unit="s")
    for verb in (("history",), ("show", "latest"), ("lease", "list"), ("plan",)):
        took = _least([*PROVISIONER, "--fleet", fleet, *verb]).seconds
        budget = None if verb[0] == "plan" else 0.3
        yield Line(what=f"`{' '.join(verb)}` after {nights:,} audits", measured=took, budget=budget, unit="s")
    begun = _least([*PROVISIONER, "--fleet", fleet, "apply", "latest"], NOBODY_ASKED)
    yield Line(
        what=f"`apply` until its question, after {nights:,} audits", measured=begun.seconds, budget=0.3, unit="s"
    )


def _applies(folder: Path, given: argparse.Namespace) -> Iterator[Line]:
    """Fresh gateways made ready in one wave, against plain Ansible with the roles of now and of before."""
    costs = list[tuple[int, Cost]]()
    for size in sorted({*given.applies, *given.alone}):
        one = applies.applied(folder / f"apply-{size}", size, _codes(size), peers=size in given.applies)
        costs.append((size, one.apply))
        what = f"apply of {size} fresh gateways: "
        yield Line(what=what + "time", measured=one.apply.seconds, unit="s")
        yield Line(what=what + "CPU a gateway", measured=one.apply.cpu / size, unit="s")
        yield Line(what=what + "memory of the largest process", measured=one.apply.memory, unit="MB")
        for name, peer, budgets in _beside(one):
            yield Line(what=f"{what}{name}, time", measured=peer.seconds, unit="s")
            yield Line(what=f"{what}{name}, CPU a gateway", measured=peer.cpu / size, unit="s")
            pairs = (("time", one.apply.seconds / peer.seconds), ("CPU", one.apply.cpu / peer.cpu))
            for (of, ratio), budget in zip(pairs, budgets, strict=True):
                yield Line(what=f"{what}{of} against {name}", measured=ratio, budget=budget, ratio=True)
    for (fewer, less), (more, most) in pairwise(costs):
        each = (most.seconds - less.seconds) / (more - fewer)
        yield Line(what=f"one more fresh gateway, from {fewer} to {more}: time", measured=each, unit="s")
        hours = (most.seconds + each * (_SYSTMONE - more)) / 3600
        yield Line(what=f"{_SYSTMONE:,} fresh gateways, reckoned by that", measured=hours, unit="h")


def _beside(one: applies.Applied) -> Iterator[tuple[str, Cost, tuple[float | None, float | None]]]:
    """What an apply is held against: its name, what it cost, and what time and CPU may be of it."""
    if one.plain and one.start:
        yield "plain Ansible", one.plain + one.start, (1.1, None)
        yield "plain Ansible without the start", one.plain, (None, None)
    if one.before:
        yield f"the roles as on {applies.BEFORE} without the start", one.before, (0.6, 0.5)


def _drifts(folder: Path, _: argparse.Namespace) -> Iterator[Line]:
    """One step; then the same steps on one gateway in a hundred, and on all of them."""
    alone = applies.drifted(folder / "lab-alone", _codes(1), 1, remedy="firewall")[1]
    yield Line(what="one step alone on one gateway: time", measured=alone.seconds, unit="s")
    yield Line(what="one step alone on one gateway: CPU", measured=alone.cpu, unit="s")
    few = _TEAM // 100
    costs = {wrong: applies.drifted(folder / f"lab-{wrong}", _codes(_TEAM), wrong)[1] for wrong in (few, _TEAM)}
    for wrong, apply in costs.items():
        what = f"{wrong} of {_TEAM} gateways have drifted, apply: "
        yield Line(what=what + "time", measured=apply.seconds, unit="s")
        yield Line(what=what + "CPU", measured=apply.cpu, unit="s")
    ratio = costs[few].seconds / costs[_TEAM].seconds
    yield Line(what="apply to 1 % against apply to all, time", measured=ratio, budget=0.05, ratio=True)


def _evening(folder: Path, _: argparse.Namespace) -> Iterator[Line]:
    """What the board says of the time that is left, from the second wave on."""
    told, what = evening.evening(folder / "lab", _DELAY), f"an evening of {evening.GATEWAYS}: "
    yield Line(what=what + "work", measured=told.seconds, unit="s")
    yield Line(what=what + "estimate against the truth, at most", measured=told.most, unit="")
    yield Line(what=what + "estimate against the truth, at least", measured=told.least, unit="")
    yield Line(what=what + "share of the time in which it is off by a third", measured=told.off, budget=0.1, ratio=True)
    yield Line(what=what + "it grew for want of news", measured=told.grew, budget=0, unit="s")


def _least(command: Sequence[str | Path], well: Collection[int] = WELL) -> Cost:
    """The quickest of three."""
    return min((cost(command, well=well) for _ in range(3)), key=lambda one: one.seconds)


def _rows(number: int) -> list[dict[str, str]]:
    return [{"practice": code} for code in _codes(number)]


def _codes(number: int) -> list[str]:
    return [f"{'ABCDEFGH'[at // 9000]}{81000 + at % 9000}" for at in range(number)]


def _document(lines: Sequence[Line]) -> str:
    rows = "\n".join(map(str, lines))
    day = f"{datetime.now(UTC):%-d %B %Y}"
    return (
        f"# What provisioner costs\n\nWritten by `make bench` on {day}, on {machine()}. The lab "
        f"runs on the same cores; each of its gateways takes {_DELAY:g} s of its own. NTLM, messages sealed.\n\n"
        f"| What | Budget | Measured | |\n|---|---|---|---|\n{rows}\n"
    )


PARTS: dict[str, Callable[[Path, argparse.Namespace], Iterator[Line]]] = {
    "commands": _commands,
    "audits": _audits,
    "quick": _quick,
    "applies": _applies,
    "drifts": _drifts,
    "ways": _ways,
    "evening": _evening,
    "peers": _peers,
    "slow": _slow,
    "journal": _journal,
}


if __name__ == "__main__":
    main()
