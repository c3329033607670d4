"""A journal of years, written by the journal's own functions: what a team has that audits every night and mends a few
gateways every week.

Every night each gateway says other times, processes, free bytes and measured milliseconds; a few in a hundred say
something that is judged otherwise. `python -m benchmarks.years FOLDER` makes the journal of a lab's fleet folder, which
has an audit and a plan, so old.
"""

import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.journal import Event, Journal, ended, started
from provisioner.model import Audit, Evidence, Fact, Finding, Outcome, Plan, Result, Status, packed

NIGHTS = 1000
# Nights from one rollout to the next, and the gateways that one is for.
_BETWEEN, _MENDED = 7, 20
# Gateways in a hundred of which the next night says something that is judged otherwise.
_OTHERWISE = 0.03


def grow(journal: Journal, audit: Audit, plan: Plan, nights: int = NIGHTS) -> None:
    """Add so many nights that end with that audit's day: audits, and every week a rollout with its readings."""
    chance = random.Random(16)
    last = audit
    for night in range(nights):
        at = audit.at - timedelta(days=nights - night)
        last = _another(last, audit, f"audit-{at:%Y%m%d-%H%M%S}-{night:04x}", at, chance)
        journal.save(last, f"{len(audit.gateways)} gateways, as every night")
        if night % _BETWEEN == 0:
            _roll_out(journal, last, plan, f"plan-{at:%Y%m%d-%H%M%S}-{night:04x}", at)


def _another(last: Audit, first: Audit, id: str, at: datetime, chance: random.Random) -> Audit:
    known = {one.gateway: one for one in last.evidence}
    evidence, facts, findings = list[Evidence](), dict[str, Mapping[str, Fact]](), list[Finding]()
    common = b""
    for one in first.evidence:
        now = replace(one, taken_at=at, seconds=one.seconds + chance.random())
        if not one.error:
            now = replace(now, sections=_sections(known[one.gateway].sections, at, chance),
                          section_seconds={name: round(chance.uniform(0.01, 0.3), 3) for name in one.section_seconds},
                          section_errors=dict(one.section_errors))  # fmt: skip
        told = {**first.facts[one.gateway], "memory.available_gb": Fact(value=round(chance.uniform(1, 12), 2))}
        document = packed.document(now, told)
        common = common or (b"" if one.error else packed.common(document))
        small, facts[one.gateway] = packed.apart(now, packed.pack(document, common), common)
        evidence.append(small)
        findings += _findings(last.of(one.gateway), chance)
    return replace(first, id=id, at=at, evidence=tuple(evidence), facts=facts, findings=tuple(findings))


def _sections(sections: Mapping[str, Any], at: datetime, chance: random.Random) -> dict[str, Any]:
    """What is another thing every night. Windows itself starts anew once a month, with what it was brought."""
    now = {name: dict(section) for name, section in sections.items()}
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}"
    now["clock"]["utc"] = f"{stamp}.{chance.randrange(1000):03}Z"
    now["memory"]["available_bytes"] = chance.randrange(1 << 30, 12 << 30, 4096)
    now["disk"]["free_bytes"] -= chance.randrange(0, 1 << 26, 4096)
    if "endpoints" in now:
        again = [{**one, "milliseconds": chance.randrange(20, 80)} for one in now["endpoints"]["results"]]
        now["endpoints"] = {"measured_at": f"{stamp}Z", "results": again}
    if chance.random() < 1 / 30:
        now["windows"] |= {"ubr": now["windows"]["ubr"] + 1, "last_boot": f"{stamp}Z"}
        again = [
            {**one, "pid": chance.randrange(4, 30000, 4), "started": f"{stamp}Z"}
            for one in now["connector"]["processes"]
        ]
        now["connector"]["processes"] = again
    return now


def _findings(found: Iterable[Finding], chance: random.Random) -> Iterator[Finding]:
    other = chance.random() < _OTHERWISE
    for one in found:
        if one.control == "R10-memory-available" and one.status is not Status.ERROR:
            gigabytes = round(chance.uniform(1, 12), 2)
            yield replace(one, actual=f"{gigabytes:g} GB", value=gigabytes)
        elif other and one.control == "R2-logged-in":
            yield replace(one, status=Status.FAILED, actual="no", value=False)
        else:
            yield one


def _roll_out(journal: Journal, audit: Audit, plan: Plan, id: str, at: datetime) -> None:
    read = [one for one in audit.evidence if not one.error][:_MENDED]
    names = {one.gateway for one in read}
    waves = tuple(replace(wave, steps=tuple(step for step in wave.steps if step.gateway in names))
                  for wave in plan.waves)  # fmt: skip
    mine = replace(plan, id=id, at=at, audit=audit.id, waves=tuple(wave for wave in waves if wave.steps))
    journal.save(mine, f"{len(mine.steps)} steps on {len(names)} gateways, from {audit.id}")
    kept = journal.keep_readings(map(_plain, read))
    happened = [Event(at=at, kind="run_started", plan=id, body={"words": "by the night", "name": f"{journal.id}.{id}"})]
    for number, step in enumerate(mine.steps):
        begun, over = at + timedelta(seconds=number), at + timedelta(seconds=number + 20)
        outcome = Outcome(step=step.id, gateway=step.gateway, result=Result.DONE, changed=True, started=begun,
                          ended=over, message="", reading_before=kept[step.gateway],
                          reading_after=kept[step.gateway])  # fmt: skip
        happened += [started(step.id, step.gateway, id, begun, "mark"), ended(outcome, id)]
    happened.append(Event(at=at + timedelta(hours=1), kind="run_ended", plan=id, body={"words": "all done"}))
    journal.append(happened)
    journal.took([(step.remedy, 20.0) for step in mine.steps if step.remedy])


def _plain(one: Evidence) -> Evidence:
    return replace(one, sections=dict(one.sections), section_errors=dict(one.section_errors),
                   section_seconds=dict(one.section_seconds))  # fmt: skip


def main(folder: Path, nights: int = NIGHTS) -> None:
    """Make that folder's journal so many nights older."""
    with Journal.open(folder / ".provisioner" / "journal.db", create=False) as journal:
        audit, plan = (journal.load(journal.kept(kind)[0]) for kind in ("audit", "plan"))
        assert isinstance(audit, Audit) and isinstance(plan, Plan)
        grow(journal, audit, plan, nights)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
