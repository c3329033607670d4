"""A long evening: `make soak`. Runs are killed at random moments among random faults; the lab's events are the judge.

The first part is the real thing (the command, Ansible, WinRM on loopback), the second the same engine on the lab's
machines directly, many times faster, and the third two teams at the same time, one of them with two runs in a process
(worlds/storm.py). Prints the seed and what was survived, and fails at the first violation. With --old the third part
alone is played with a fault that the product once had, and has to find it.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

from provisioner.execute.failpoints import Failpoint
from provisioner.journal import Journal, standing
from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from provisioner.model import Plan
from tests.conftest import command, environment
from tests.fixtures.dying import dies
from tests.migration.operators import NEW, OLD, Operator
from tests.worlds import judge, storm, storm_faults
from tests.worlds.disk import LabWorld

FAULTS = ("offline", "drops_midway=before", "drops_midway=after", "slow=2", "shell_quota", "disk_full", "no_approve",
          "service_will_not_start", "tamper_protection", "clock_skew=900")  # fmt: skip


def main() -> None:
    """Each part within its share of the time, counted from its own beginning, and once round at least."""
    options = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument("--kills", type=int, default=200, help="How many runs are killed, in all parts together.")
    options.add_argument("--least", type=int, help="How many must have been, lest it fails; default: all of --kills.")
    options.add_argument("--minutes", type=float, default=14.0)
    options.add_argument("--old", choices=storm_faults.OLD, help="Put this fault back; the storm must find it.")
    given = options.parse_args()
    print(f"seed {given.seed}: the same seed, the same faults", flush=True)
    survived: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="provisioner-soak-") as folder:
        if given.old:
            sys.exit(_found(given.old, Path(folder), str(given.seed), given.minutes * 60))
        for name, (part, time_share, kills_share) in _PARTS.items():
            # A part draws by itself: what a slower machine had no time for in one does not change the next.
            chance, until = random.Random(f"{given.seed} {name}"), time.monotonic() + given.minutes * 60 * time_share
            most = survived["kills"] + round(given.kills * kills_share)
            part(Path(folder) / name, chance, survived, until, most)
    print(", ".join(f"{count} {what}" for what, count in survived.items()), "and no violation", flush=True)
    least = given.kills if given.least is None else given.least
    if survived["kills"] < least:
        sys.exit(f"only {survived['kills']} of {least} kills fitted into {given.minutes:g} minutes")


# The real thing


def _really(folder: Path, chance: random.Random, survived: Counter[str], until: float, most: int) -> None:
    rows = [_row(f"A8400{number}", "", "active") for number in (2, 5, 6)]
    moving = ("A84010", "A84011", "A84012")
    for code in moving:
        rows += [_row(code, f"OLD-{code}", "active"), _row(code, f"NEW-{code}", "standby")]
    with client.running(folder, rows, state="mixed", seed=chance.randrange(100)) as lab:
        _quick(folder)
        running = _running(lab)
        practices = {row["gateway"] or row["practice"]: row["practice"] for row in rows}
        many = folder / "moves.csv"
        many.write_text("practice,to\n" + "".join(f"{code},NEW-{code}\n" for code in moving), "utf-8")
        moves = [*((code, "--to", f"NEW-{code}") for code in moving), ("--many", str(many))]
        plan = _planned(lab)
        for _ in _rounds(survived, until, most):
            _meddle(lab, chance, survived)
            move = ("migrate", "start", *chance.choice(moves), "--yes")
            for arguments in (("apply", plan, "--yes", "--unsure", "go-on"), move):
                _killed(lab, arguments, chance.uniform(0.3, 18.0 if "--many" in arguments else 9.0), survived)
                _judge(lab, practices, running)
        lab.set("*", "none")
        survived["resumes"] += 1
        print(f"real: {dict(survived)}", flush=True)
        for last in (("apply", plan, "--yes", "--unsure", "go-on"), ("audit",)):
            ended = _ended(lab, last)
            assert ended in (0, 1, 3, 4), f"{last} ended with {ended}"
        _judge(lab, practices, running)


def _row(practice: str, gateway: str, role: str) -> dict[str, str]:
    return {"practice": practice, "name": practice, "gateway": gateway, "address": "", "role": role}


def _quick(folder: Path) -> None:
    """A lab in which nobody is waited for: commands there end at once, and with them what nobody heard of."""
    path = folder / "fleet.yml"
    path.write_text(path.read_text("utf-8") + "\nrollout: {approve_wait: 1, settle: 8}\n", "utf-8")


def _planned(lab: Handle) -> str:
    assert _ended(lab, ("audit",)) in (0, 1, 3)
    done = subprocess.run(
        command("plan", "--format", "json", fleet=lab.folder), capture_output=True, text=True, timeout=120,
        env=environment(), check=True,
    )  # fmt: skip
    return str(json.loads(done.stdout)["plan"])


def _meddle(lab: Handle, chance: random.Random, survived: Counter[str]) -> None:
    """Some faults go, some come; now and then all is well."""
    names = list(lab.state())
    lab.set("*", "none")
    for name in chance.sample(names, chance.randrange(0, 3)):
        lab.set(name, chance.choice(FAULTS))
        survived["faults"] += 1


def _killed(lab: Handle, arguments: tuple[str, ...], after: float, survived: Counter[str]) -> None:
    """One command, killed with -9 after so many seconds unless it has ended."""
    run = subprocess.Popen(
        command(*arguments, fleet=lab.folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    try:
        run.wait(after)
        survived["resumes"] += 1
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        survived["kills"] += 1


def _ended(lab: Handle, arguments: tuple[str, ...]) -> int:
    return subprocess.run(
        command(*arguments, fleet=lab.folder), capture_output=True, timeout=300, env=environment(), check=False
    ).returncode  # fmt: skip


def _running(lab: Handle) -> list[str]:
    return [
        name for name, one in lab.state().items() if any(each["state"] == "running" for each in one["services"])
    ]  # fmt: skip


def _judge(lab: Handle, practices: dict[str, str], running: list[str]) -> None:
    events = lab.events()
    wrong = judge.two_at_once(events, practices, running)
    assert not wrong, f"two Connectors of one practice: {wrong}"
    with Journal.open(lab.folder / ".provisioner" / "journal.db") as journal:
        assert (said := journal.verify()) == "", said
        begun = {event.gateway for event in journal.events(kinds=("step_started",))}
    extra = judge.without_a_step(events, begun)
    assert not extra, f"changed without a step: {extra}"


# The engine on the lab's machines


def _directly(folder: Path, chance: random.Random, survived: Counter[str], until: float, most: int) -> None:
    number = 0
    for number in _rounds(survived, until, most):
        _migration(folder / str(number), chance, survived)
    print(f"direct: {number} migrations", flush=True)


def _migration(folder: Path, chance: random.Random, survived: Counter[str]) -> None:
    """One practice's move, killed up to six times on the way; in half of all cases led back, and begun anew then."""
    LabWorld.make(folder)
    operator, number = Operator(folder), 1
    plan = operator.planned()
    for _ in range(chance.randrange(1, 7)):
        _spoil(operator, chance, survived)
        point, nth = chance.choice(list(Failpoint)), chance.randrange(1, 6)
        survived["kills"] += dies(partial(operator.through, plan), point, nth)
        if plan.kind == "migration" and _is_open(operator, plan) and _maybe(chance):
            plan = operator.back(plan, number)
        elif plan.kind == "undo" and not _is_open(operator, plan) and _maybe(chance):
            _mend(operator)
            number += 1
            plan = operator.planned(number)
    _mend(operator)
    back = plan.kind == "undo"
    # A way back that is through is over, and so is its migration: nobody gives that command again.
    if not back or _is_open(operator, plan):
        ended = operator.through(plan, most=20)
        assert ended.exit_code == 0, [(one.step, one.result, one.message) for one in ended.outcomes]
        survived["resumes"] += 1
    world = operator.world()
    assert world.two_at_once() == [], world.two_at_once()
    assert world.runs() == ({OLD} if back else {NEW})


# Two teams


def _two_teams(folder: Path, chance: random.Random, survived: Counter[str], until: float, most: int) -> None:
    for number in count(1):
        seed = f"{chance.randrange(10**6)}"
        wrong = storm.storm(folder / str(number), seed, survived)
        assert not wrong, f"evening {seed}: {wrong}"
        if time.monotonic() >= until:
            print(f"two teams: {number} evenings", flush=True)
            return


def _found(old: str, folder: Path, seed: str, seconds: float) -> str | None:
    """Whether the storm finds a fault that was put back, in words where it does not."""
    begun, chance = time.monotonic(), random.Random(seed)
    with storm_faults.put_back(old):
        for number in count(1):
            wrong = storm.storm(folder / str(number), f"{chance.randrange(10**6)}", Counter())
            spent = time.monotonic() - begun
            if wrong:
                print(f"{old}: found on evening {number}, after {spent:.0f} s: {wrong[0]}", flush=True)
                return None
            if spent > seconds:
                return f"{old}: not found in {number} evenings"
    return None


def _spoil(operator: Operator, chance: random.Random, survived: Counter[str]) -> None:
    """Now and then a role that fails, and a PC that is away."""
    world = operator.world()
    world.broken = {chance.choice(("java", "service", "stop", "start", "carry")): "it broke"} if _maybe(chance) else {}
    world.offline = {chance.choice((OLD, NEW))} if _maybe(chance) else set()
    survived["faults"] += bool(world.broken) + bool(world.offline)
    world.save()


def _mend(operator: Operator) -> None:
    world = operator.world()
    world.broken, world.offline = {}, set()
    world.save()


def _is_open(operator: Operator, plan: Plan) -> bool:
    with operator.journal() as journal:
        return standing.open_migrations(journal).get("B84001") == (plan.of or plan.id)


def _maybe(chance: random.Random) -> bool:
    return chance.random() < 0.3


def _rounds(survived: Counter[str], until: float, most: int) -> Iterator[int]:
    """Rounds from 1, while there are runs to be killed and there is time; the first one always."""
    for number in count(1):
        yield number
        if survived["kills"] >= most or time.monotonic() >= until:
            return


# By its name: a part, its share of the time, and of the kills.
_PARTS = {"real": (_really, 0.45, 0.25), "direct": (_directly, 0.3, 0.75), "teams": (_two_teams, 0.25, 0.0)}

if __name__ == "__main__":
    main()
