"""How many gateways are read or changed at once: by the fleet's settings, by the computer, by a shared line."""

import csv
import resource
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provisioner import capacity, fleet
from provisioner.ansible.results import StepResult
from provisioner.evidence.collect import collect
from provisioner.evidence.reader import Reader
from provisioner.execute.shards import Limits, in_shards, shards
from provisioner.fleet import check
from provisioner.lab.process.client import Handle
from provisioner.model import Gateway, Role, Step
from provisioner.model.lines import Lines
from provisioner.transport import waiting, winrm

CODES = [f"A8100{number}" for number in range(8)]
# The first six share two sites, the last two nothing.
SITES = dict(zip(CODES, ["Hexham", "hexham ", "Hexham", "Alnwick", "Alnwick", "ALNWICK", "", ""], strict=True))


class Count:
    """How many are at work at once: of all, and by site."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.all: list[str] = []

    @contextmanager
    def at_work(self, names: Iterable[str]) -> Iterator[None]:
        sites = [SITES[name].strip().lower() or name for name in names]
        with self._lock:
            self.all += names
            self._now.update([*sites, *("all" for _ in sites)])
            self.most |= self._now
        try:
            yield
        finally:
            with self._lock:
                self._now.subtract([*sites, *("all" for _ in sites)])


def with_sites(folder: Path, settings: str) -> None:
    """The lab's folder with a column `site`, and with these settings of its connection."""
    table = folder / "practices.csv"
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = [{**row, "site": SITES[row["practice"]]} for row in csv.DictReader(file)]
    with table.open("w", encoding="utf-8", newline="") as file:
        made = csv.DictWriter(file, list(rows[0]))
        made.writeheader()
        made.writerows(rows)
    text = (folder / "fleet.yml").read_text("utf-8")
    assert text.count("connection:\n") == 1
    (folder / "fleet.yml").write_text(text.replace("connection:\n", f"connection:\n  {settings}\n"), "utf-8")


def counting(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Count who is read: around the real reading."""
    count, run = Count(), winrm.run

    def counted(gateway: Gateway, *given: Any) -> bytes:
        with count.at_work([gateway.name]):
            return run(gateway, *given)

    monkeypatch.setattr(winrm, "run", counted)
    return count


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ("at_once_per: {site: 1}", {"hexham": 1, "alnwick": 1}),
        ("at_once_per: {Site: 2}", {"hexham": 2, "alnwick": 2}),
        ("at_once_per: {site: 3, practice: 1}\n  at_once: 2", {"all": 2}),
    ],
)
def test_no_more_are_read_at_once_than_their_line_takes(
    settings: str, most: Mapping[str, int], lab: Callable[..., Handle], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lab(*CODES, delay=0.1).folder
    with_sites(folder, settings)
    found, count = fleet.load(folder), counting(monkeypatch)
    read = {one.gateway: one.error for one in Reader(found).read(found.known, lambda _: ["identity"])}
    assert read == dict.fromkeys(CODES)
    assert sorted(count.all) == CODES
    assert {name: count.most[name] for name in most if count.most[name] > most[name]} == {}


def test_a_line_that_is_full_keeps_nobody_else_waiting(lab: Callable[..., Handle]) -> None:
    """All of one site stand first, and its first gateway does not answer until all others have."""
    names = CODES[:3] + CODES[6:]
    rows = [row(name) for name in names]
    others = threading.Semaphore(0)

    def ask(one: Gateway) -> bytes:
        if one.name == CODES[0]:
            for _ in range(2):
                assert waiting.aside(lambda: others.acquire(timeout=60))
        elif one.name in CODES[6:]:
            others.release()
        raise RuntimeError("enough")

    came = [one.gateway for one in collect(rows, ask, 2, Lines(rows, {"site": 1}))]
    assert sorted(came) == names
    assert came[:2] == CODES[6:]


def row(name: str) -> Gateway:
    return Gateway(
        name=name, practice=name, practice_name="", address="x", port=1, path="/", role=Role.ACTIVE,
        variables={"site": SITES[name]},
    )  # fmt: skip


def steps(*names: str) -> list[Step]:
    return [
        Step(id=f"{name}-{remedy}", gateway=name, practice=name, kind="playbook", remedy=remedy, role=remedy)
        for remedy in ("firewall", "service")
        for name in names
    ]


def limits(most: int, **changes: int) -> Limits:
    lines = Lines(map(row, CODES), {"site": most})
    return Limits(**({"largest": 25, "cores": 2, "workers": 1000} | changes), lines=lines)


def test_no_more_are_changed_at_once_than_their_line_takes() -> None:
    for most in (1, 2):
        count, acted = Count(), dict[str, StepResult]()

        def do(some: Sequence[Step], count: Count = count) -> dict[str, StepResult]:
            with count.at_work(dict.fromkeys(step.gateway for step in some)):
                return {step.id: StepResult(result="ok") for step in some}

        in_shards(steps(*CODES), limits(most), do, acted, lambda: False)
        assert sorted(acted) == sorted(step.id for step in steps(*CODES))
        assert (count.most["hexham"], count.most["alnwick"]) == (most, most)
        assert sorted(count.all) == CODES


def test_a_shard_is_as_large_as_its_lines_let_it_be() -> None:
    within = limits(1)
    found = shards(steps(*CODES), within)
    assert [step.gateway for step in next(found)] == 2 * [CODES[0], CODES[3], CODES[6], CODES[7]]
    assert next(found) == []
    within.lines.end(CODES[3])
    assert [step.gateway for step in next(found)] == 2 * [CODES[4]]


@pytest.mark.parametrize(
    ("workers", "cores", "sizes"),
    [(1000, 2, [8]), (1000, 8, [4, 4]), (4, 2, [2, 2, 2, 2]), (1, 2, [1] * 8), (3, 2, [1] * 8)],
)
def test_no_more_are_changed_at_once_than_there_is_memory_for(workers: int, cores: int, sizes: list[int]) -> None:
    within = limits(1000, workers=workers, cores=cores)
    assert [len({step.gateway for step in shard}) for shard in shards(steps(*CODES), within)] == sizes
    assert within.at_once * within.size <= max(workers, 8)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_readings_keep_to_the_file_descriptors_that_there_are() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert capacity.readings() == 96
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   2048 kB\n"}, 2048 * 1024),
        ({"proc/meminfo": "MemAvailable: 2048 kB\n", "sys/fs/cgroup/memory.max": "max\n",
          "sys/fs/cgroup/memory.current": "5\n"}, 2048 * 1024),
        ({"proc/meminfo": "MemAvailable: 2048 kB\n", "sys/fs/cgroup/memory.max": "1000\n",
          "sys/fs/cgroup/memory.current": "400\n"}, 600),
        ({"sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "4000\n"}, 0),
        ({"proc/meminfo": "nonsense\n"}, sys.maxsize),
        ({}, sys.maxsize),
    ],
)  # fmt: skip
def test_memory_is_what_the_computer_and_the_container_leave(files: dict[str, str], free: int, tmp_path: Path) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert capacity._memory(tmp_path) == free


def test_a_column_that_is_not_there_is_told_with_its_line(lab: Callable[..., Handle]) -> None:
    folder = lab(*CODES).folder
    with_sites(folder, "at_once_per:\n    sight: 2")
    found, faults = check(folder)
    (fault,) = [one for one in faults if not one.warning]
    line = (folder / "fleet.yml").read_text("utf-8").splitlines().index("    sight: 2") + 1
    assert found is None and fault.line == line
    assert "practices.csv has no column sight" in fault.message and "Did you mean site?" in fault.hint
