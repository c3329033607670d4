"""`make bench`: audits of estates of several sizes on the lab, plain pywinrm beside them, and the largest's reports.

Only 127.0.0.0/8 is asked, of the lab's own processes, which end with it. Writes benchmarks/results.md. Ends with 1
where a ratio is missed: a ratio holds on any machine. An absolute figure that is missed is printed as missed.
"""

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benchmarks import applies
from benchmarks.measure import PROVISIONER, Cost, cost, machine
from provisioner.lab.process import client

RESULTS = Path(__file__).parent / "results.md"
# What the lab's gateways take of their own, in seconds.
_DELAY = 1.0
# What the budgets are for: every active practice in England with SystmOne, and every one.
_SYSTMONE, _ENGLAND = 2225, 6618


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
        budget = "" if self.budget is None else f"{self.budget:g} {self.unit}".strip()
        met = "" if self.budget is None else "missed" if self.missed else "met"
        return f"| {self.what} | {budget} | {self.measured:,.2f} {self.unit} | {met} |"


def main() -> None:
    """Measure, write it down, and say it."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--sizes", default=f"100,400,{_SYSTMONE}", help="How many gateways; the last has the reports.")
    options.add_argument("--applies", default="10,50", help="How many fresh gateways are made ready, in one wave.")
    options.add_argument("--only-print", action="store_true", help="Do not write results.md.")
    given = options.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    lines = list[Line]()
    with tempfile.TemporaryDirectory(prefix="provisioner-bench-") as folder:
        fresh = [int(size) for size in given.applies.split(",") if size]
        for part in (_commands(Path(folder)), _audits(Path(folder), sizes), _applies(Path(folder), fresh)):
            for line in part:
                lines.append(line)
                print(line, flush=True)
    text = _document(lines)
    if not given.only_print:
        RESULTS.write_text(text, "utf-8")
    sys.exit(any(line.missed and line.ratio for line in lines))


def _commands(folder: Path) -> Iterator[Line]:
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


def _audits(folder: Path, sizes: Sequence[int]) -> Iterator[Line]:
    """Audits of each size, and beside each plain pywinrm; then the reports of the largest, and how it grows."""
    costs = list[tuple[int, Cost, int]]()
    for size in sizes:
        fleet, whole = folder / f"lab-{size}", size == _SYSTMONE
        rows = [{"practice": code} for code in _codes(size)]
        with client.running(fleet, rows, state="mixed", delay=_DELAY):
            audit = cost([*PROVISIONER, "--fleet", fleet, "audit"])
            peer = cost([sys.executable, "-m", "benchmarks.peers", fleet])
            costs.append((size, audit, (fleet / ".provisioner" / "journal.db").stat().st_size))
            mine, plain = 1000 * audit.cpu / size, 1000 * peer.cpu / size
            what = f"audit of {size:,}: "
            yield Line(what=what + "time", measured=audit.seconds, budget=30 if whole else None, unit="s")
            yield Line(what=what + "first gateway on the screen", measured=audit.first, budget=2, unit="s")
            yield Line(what=what + "memory", measured=audit.memory, budget=120 if whole else None, unit="MB")
            yield Line(what=what + "CPU a gateway", measured=mine, budget=8 if whole else None, unit="ms")
            yield Line(what=what + "plain pywinrm, CPU a gateway", measured=plain, unit="ms")
            # Starting costs as much for one gateway as for all.
            ratio = 0.25 if whole else None
            yield Line(what=what + "CPU against plain pywinrm", measured=mine / plain, budget=ratio, ratio=True)
            if size == sizes[-1]:
                yield from _reports(folder, fleet, size)
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


def _growth(costs: Sequence[tuple[int, Cost, int]]) -> Iterator[Line]:
    """What one more gateway costs, between each size and the next; it may not grow with the size."""
    each = list[float]()
    for (fewer, before, was), (more, after, grown) in pairwise(costs):
        what, number = f"one more gateway, from {fewer:,} to {more:,}: ", more - fewer
        each.append(1000 * (after.cpu - before.cpu) / number)
        yield Line(what=what + "CPU", measured=each[-1], unit="ms")
        yield Line(what=what + "memory", measured=1000 * (after.memory - before.memory) / number, unit="kB")
        yield Line(what=what + "journal", measured=(grown - was) / number / 1000, unit="kB")
    if len(each) > 1:
        what = "CPU of one more gateway, at the most against at the fewest"
        yield Line(what=what, measured=each[-1] / each[0], budget=1.5, ratio=True)


def _applies(folder: Path, sizes: Sequence[int]) -> Iterator[Line]:
    """Fresh gateways made ready in one wave, against plain Ansible with the roles of now and of before."""
    for size in sizes:
        one = applies.applied(folder / f"apply-{size}", size, _codes(size))
        what = f"apply of {size} fresh gateways: "
        yield Line(what=what + "time", measured=one.apply.seconds, unit="s")
        yield Line(what=what + "CPU a gateway", measured=one.apply.cpu / size, unit="s")
        yield Line(what=what + "memory of the largest process", measured=one.apply.memory, unit="MB")
        for peer, name in ((one.plain, "plain Ansible"), (one.before, f"the roles as on {applies.BEFORE}")):
            if peer is not None:
                now = peer is one.plain
                seconds, cpu = one.apply.seconds / peer.seconds, one.apply.cpu / peer.cpu
                yield Line(what=f"{what}{name}, time", measured=peer.seconds, unit="s")
                yield Line(what=f"{what}{name}, CPU a gateway", measured=peer.cpu / size, unit="s")
                budgets = (1.1, None) if now else (0.6, 0.5)
                yield Line(what=f"{what}time against {name}", measured=seconds, budget=budgets[0], ratio=True)
                yield Line(what=f"{what}CPU against {name}", measured=cpu, budget=budgets[1], ratio=True)


def _least(command: Sequence[str | Path]) -> Cost:
    """The quickest of three."""
    return min((cost(command) for _ in range(3)), key=lambda one: one.seconds)


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


if __name__ == "__main__":
    main()
