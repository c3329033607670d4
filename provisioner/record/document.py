"""The record of a plan: for each practice one document with all that an auditor asks, and the manifest over all files.

A document holds the events as they stand in the journal's chain, and beside them what they say of each run and step,
in a form that can be read; `told` makes the second of the first, here and when a record is verified.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from provisioner import __version__
from provisioner.model import Audit, Control, Evidence, Finding, Plan, Step, results
from provisioner.record import approval as approvals
from provisioner.record import chain, signing
from provisioner.record.approval import Proof
from provisioner.record.chain import Link
from provisioner.report import standing, words
from provisioner.report.envelope import VERSION, document

MADE_BY = f"provisioner {__version__}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """All that the journal knows of a plan. `plans` has the plan first and then its undos and its finish; `audits`
    those that they were made from, as far as they are kept; `links` their events; `head` the newest event's number
    and hash."""

    plans: tuple[Plan, ...]
    audits: tuple[Audit, ...]
    names: Mapping[str, str]
    links: tuple[Link, ...]
    readings: Mapping[str, Evidence]
    journal: str
    head: tuple[int, str]
    made_at: datetime

    @property
    def plan(self) -> Plan:
        """The plan that the record is of."""
        return self.plans[0]


def named(links: Iterable[Link]) -> list[str]:
    """The readings that judged these events' steps, each once."""
    found: dict[str, None] = {}
    for link in links:
        if link.kind == "step_ended":
            found |= dict.fromkeys(str(link.said.get(key) or "") for key in ("reading_before", "reading_after"))
    return [sha256 for sha256 in found if sha256]


def practices(source: Source) -> dict[str, dict[str, Any]]:
    """Each practice's document, by its code, in the order of the plan."""
    codes = [step.practice for plan in source.plans for step in plan.steps]
    codes += [practice for plan in source.plans for practice, _ in plan.places.values()]
    reasons, plans = _Reasons.of(source), {plan.id: _plan(plan, source.links) for plan in source.plans}
    return {code: _practice(source, reasons, plans, share) for code, share in _shares(source, codes).items()}


def text(body: Mapping[str, Any]) -> str:
    """A document as it is written."""
    return document(body) + "\n"


def manifest(source: Source, files: Mapping[str, bytes], operator: str, signed_by: str) -> str:
    """What the record is of, where it comes from, and every file's SHA-256; `signed_by` names the key, or is ""."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    body: dict[str, Any] = {
        "version": VERSION,
        "made_at": words.utc(source.made_at),
        "made_by": MADE_BY,
        "operator": operator,
    }
    body |= {"plan": source.plan.id, "kind": source.plan.kind, "journal": _journal(source)}
    return text(body | {"signed_by": signed_by, "files": sums})


def told(steps: Iterable[Mapping[str, Any]], links: Sequence[Link]) -> dict[str, Any]:
    """What the events say: the runs, and of each (plan and step) the attempts, what people confirmed and what stands;
    and what was approved.

    Errors: ValueError, KeyError where an event's body is not what its kind promises.
    """
    attempts = {f"{step['plan']} {step['id']}": _attempts(_of(step, links)) for step in steps}
    confirmed = {
        f"{step['plan']} {step['id']}": [
            {"at": _utc(link.at), "by": str(link.said.get("by", "")), "words": str(link.said.get("words", ""))}
            for link in _of(step, links)
            if link.kind == "confirmed"
        ]
        for step in steps
    }
    stands = {plan: _stands(plan, links) for plan in dict.fromkeys(str(step["plan"]) for step in steps)}
    told = {f"{step['plan']} {step['id']}": stands[step["plan"]].get(step["id"]) for step in steps}
    found = {"runs": _runs(links), "attempts": attempts, "confirmed": confirmed, "standing": told}
    return found | {"approvals": _approvals(links)}


def proofs(links: Iterable[Link]) -> dict[str, Proof]:
    """The approvals among these events, by the names that they have in the record. Errors: ValueError."""
    found = [Proof.of(link.said) for link in links if link.kind == "approved"]
    return {f"approval-{number}": proof for number, proof in enumerate(found, 1)}


def _approvals(links: Iterable[Link]) -> list[dict[str, Any]]:
    found = []
    for link in (link for link in links if link.kind == "approved"):
        proof = Proof.of(link.said)
        given = approvals.read(proof.text)
        found.append(
            {
                "plan": link.plan,
                "at": _utc(link.at),
                "by": given.name,
                "account": given.account,
                "from": words.utc(given.begins),
                "until": words.utc(given.ends),
                "outside_hours": given.outside_hours,
                "way_back": given.way_back,
                "ticket": given.ticket,
                "words": given.words,
                "plan_sha256": given.sha256,
                "noted_by": proof.by,
                "signed_by": signing.fingerprint(proof.key, "its key") if proof.signature else "",
            }
        )
    return found


@dataclass(frozen=True, kw_only=True)
class _Reasons:
    """Why steps were planned: the controls by id, and the findings by audit, gateway and control."""

    controls: Mapping[str, Control]
    findings: Mapping[tuple[str, str, str], Finding]

    @classmethod
    def of(cls, source: Source) -> Self:
        findings = {
            (audit.id, finding.gateway, finding.control): finding
            for audit in source.audits
            for finding in audit.findings
        }
        return cls(
            controls={control.id: control for audit in source.audits for control in audit.controls}, findings=findings
        )

    def why(self, id: str, plan: Plan, gateway: str) -> dict[str, str]:
        """A control's finding in words; empty but for the id where the audit is not kept any more."""
        finding = self.findings.get((plan.audit, gateway, id))
        return {
            "control": id,
            "title": self.title(id),
            "expected": finding.expected if finding else "",
            "actual": finding.actual if finding else "",
            "message": finding.message if finding else "",
        }

    def title(self, id: str) -> str:
        """What a control asks; "" where that is not known any more."""
        return self.controls[id].title if id in self.controls else ""


@dataclass(frozen=True, kw_only=True)
class _Share:
    """What of all that the journal knows is one practice's: its steps by plan (the record's own plan is always there),
    and the events that belong into its document."""

    practice: str
    steps: dict[str, list[tuple[Plan, Step]]]
    links: list[Link] = field(default_factory=list)


def _shares(source: Source, codes: Iterable[str]) -> dict[str, _Share]:
    """Each practice's, by one look at everything: of 6,618 practices each would be a look at all the others'."""
    shares = {code: _Share(practice=code, steps={source.plan.id: []}) for code in codes}
    of_step, of_gateway = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for plan in source.plans:
        for step in plan.steps:
            shares[step.practice].steps.setdefault(plan.id, []).append((plan, step))
            of_step[step.id].add(step.practice)
            of_gateway[step.gateway].add(step.practice)
        for name, (code, _) in plan.places.items():
            of_gateway[name].add(code)
    for link in source.links:
        # What is said of the whole plan belongs into each document.
        id = _step_of(link)
        of = of_step[id] | of_gateway[link.gateway] if link.gateway or id else shares
        for code in of:
            if link.plan in shares[code].steps:
                shares[code].links.append(link)
    return shares


def _practice(source: Source, reasons: _Reasons, plans: Mapping[str, Any], share: _Share) -> dict[str, Any]:
    code, links = share.practice, share.links
    steps = [_step(reasons, plan, step) for own in share.steps.values() for plan, step in own]
    said = told(steps, links)
    for step in steps:
        step["attempts"] = said["attempts"][f"{step['plan']} {step['id']}"]
        step["confirmed"] = said["confirmed"][f"{step['plan']} {step['id']}"]
        step["standing"] = said["standing"][f"{step['plan']} {step['id']}"]
    readings = {sha256: source.readings[sha256] for sha256 in named(links) if sha256 in source.readings}
    return {
        "version": VERSION,
        "made_at": words.utc(source.made_at),
        "made_by": MADE_BY,
        "practice": code,
        "name": source.names.get(code, ""),
        "plan": source.plan.id,
        "journal": _journal(source),
        "plans": [plans[id] for id in share.steps],
        "runs": said["runs"],
        "approvals": said["approvals"],
        "steps": steps,
        "readings": {sha256: json.loads(chain.canonical(one)) for sha256, one in readings.items()},
        "events": [asdict(link) for link in links],
    }


def _journal(source: Source) -> dict[str, Any]:
    return {"id": source.journal, "seq": source.head[0], "hash": source.head[1]}


def _step_of(link: Link) -> str:
    """The step that an event speaks of; a confirmation may name it in its words only."""
    return link.step or (str(link.said.get("step", "")) if link.kind == "confirmed" else "")


def _of(step: Mapping[str, Any], links: Iterable[Link]) -> list[Link]:
    return [link for link in links if link.plan == step["plan"] and _step_of(link) == step["id"]]


def _plan(plan: Plan, links: Iterable[Link]) -> dict[str, str]:
    kept = (link.said.get("sha256", "") for link in links if link.kind == "kept" and link.plan == plan.id)
    return {
        "id": plan.id,
        "kind": plan.kind,
        "at": words.utc(plan.at),
        "of": plan.of,
        "audit": plan.audit,
        "sha256": str(next(kept, "")),
        "fleet_digest": plan.fleet_digest,
        "policy_digest": plan.policy_digest,
    }


def _step(reasons: _Reasons, plan: Plan, step: Step) -> dict[str, Any]:
    return {
        "plan": plan.id,
        "id": step.id,
        "gateway": step.gateway,
        "address": plan.places.get(step.gateway, ("", ""))[1],
        "kind": step.kind,
        "remedy": step.remedy,
        "role": step.role,
        "values": dict(step.values),
        "words": step.words,
        "who": step.who,
        "because": [reasons.why(control, plan, step.gateway) for control in step.because],
        "proves": [{"control": control, "title": reasons.title(control)} for control in step.proves],
        "changes": [asdict(change) for change in step.changes],
    }


def _stands(plan: str, links: Iterable[Link]) -> dict[str, dict[str, Any]]:
    found = results.stands((link.kind, link.step, link.said) for link in links if link.plan == plan)
    return {step: standing.document(one) for step, one in found.items()}


def _runs(links: Iterable[Link]) -> list[dict[str, str]]:
    runs: list[dict[str, str]] = []
    for link in links:
        said = {name: str(value) for name, value in link.said.items()}
        if link.kind == "run_started":
            names = ("by", "approved_by", "ticket", "because", "budget")
            run = {"plan": link.plan, "started": _utc(link.at), "ended": ""}
            runs.append(run | {name: said.get(name, "") for name in names} | {"result": ""})
        elif link.kind == "run_ended":
            open_ = [run for run in runs if run["plan"] == link.plan and not run["ended"]]
            for run in open_[-1:]:
                run |= {"ended": _utc(link.at), "result": said.get("words", "")}
    return runs


def _attempts(links: Iterable[Link]) -> list[dict[str, Any]]:
    """Each beginning with its end; what needed nothing has only an end, and what broke off only a beginning."""
    attempts: list[dict[str, Any]] = []
    for link in links:
        if link.kind == "step_started":
            attempts.append(_attempt({"started": link.at}))
        elif link.kind == "step_ended":
            if attempts and not attempts[-1]["ended"]:
                attempts.pop()
            attempts.append(_attempt(link.said))
    return attempts


def _attempt(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "started": _utc(said["started"]),
        "ended": _utc(said["ended"]) if "ended" in said else "",
        "result": str(said.get("result", "")),
        "changed": bool(said.get("changed", False)),
        "message": str(said.get("message", "")),
        "before": said.get("before") or {},
        "output": list(said.get("output") or ()),
        "reading_before": str(said.get("reading_before") or ""),
        "reading_after": str(said.get("reading_after") or ""),
    }


def _utc(text: str) -> str:
    return words.utc(datetime.fromisoformat(text))
