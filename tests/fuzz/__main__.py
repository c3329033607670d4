"""Wrong input of every kind: `make fuzz`. Whatever a file holds or a gateway says is answered in words.

Each input is a right one, spoilt at random; what reads it is what reads it for a person, the verb itself or, for what a
gateway says, the transport against a socket on loopback. A find is a traceback, more than ten seconds, or more than 500
MB. The seed, the target and the number say all of an input: `--seed 7 --only journal --from 123 --count 1` is that one.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.answers import _evidence, _http
from tests.fuzz.approvals import _approval
from tests.fuzz.files import FOLDER, _documents, _fleet, _journal, _list, _moves, _record
from tests.fuzz.spoilt import MEGABYTES, SECONDS, Target


class Hang(BaseException):
    """An input took longer than it may."""


def main() -> None:
    """All targets in turn until the time is over or each has had its count."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument("--seconds", type=float, default=3600.0, help="When to end at the latest.")
    options.add_argument("--count", type=int, default=3000, help="How many inputs of each target.")
    options.add_argument("--from", type=int, default=0, dest="first", help="The first input's number.")
    options.add_argument("--only", action="append", choices=list(TARGETS), help="Only this target; may be repeated.")
    given = options.parse_args()
    print(f"seed {given.seed}: the same seed, the same inputs", flush=True)
    tried: Counter[str] = Counter()
    finds = 0
    with tempfile.TemporaryDirectory(prefix="provisioner-fuzz-") as folder:
        targets = {name: TARGETS[name](Path(folder) / name) for name in given.only or TARGETS}
        until = time.monotonic() + given.seconds
        for number in range(given.first, given.first + given.count):
            for name, target in targets.items():
                if time.monotonic() > until:
                    break
                tried[name] += 1
                finds += _find(name, target, number, given.seed)
    print(", ".join(f"{count} of {name}" for name, count in tried.items()), f"and {finds} finds", flush=True)
    sys.exit(1 if finds or not all(tried[name] for name in targets) else 0)


def _find(name: str, target: Target, number: int, seed: int) -> bool:
    """Try one input; say all that is needed to try it again where it is answered wrongly."""
    why = ""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with _bounded():
            target(random.Random(f"{seed}/{name}/{number}"))
    except Hang:
        why = f"it took more than {SECONDS} s"
    except Exception:
        why = traceback.format_exc()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if after > MEGABYTES * 1024 and after > before:
        why = why or f"memory rose from {before // 1024} to {after // 1024} MB"
    if why:
        print(f"FIND: --seed {seed} --only {name} --from {number} --count 1\n{why}", flush=True)
    return bool(why)


@contextmanager
def _bounded() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


TARGETS: dict[str, Callable[[Path], Target]] = {
    **{name: _fleet(name) for name in FOLDER},
    "epraccur.csv": _list("epraccur.csv"),
    "systems.csv": _list("systems.csv"),
    "moves.csv": _moves,
    "journal": _journal,
    "documents": _documents,
    "record": _record,
    "approval.json": _approval,
    "evidence": _evidence,
    "http": _http,
}


if __name__ == "__main__":
    main()
