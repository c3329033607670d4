"""Whether a second person has approved a plan: what they say, and what of it counts now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from provisioner import processes
from provisioner.errors import InputError, PlanRefused
from provisioner.execute.admission import Asked
from provisioner.journal import Event, Journal, standing
from provisioner.model import Fleet, Plan
from provisioner.model.settings import Approver
from provisioner.record import approval as approvals
from provisioner.record import chain
from provisioner.record.approval import Approval, Proof
from provisioner.report import approval as shown
from provisioner.report import words

# That a plan was made and waits for its approval: who gives the same command again goes on with that one.
_ASKED_FOR = "approval_asked"
_LONGEST = timedelta(days=90)
_ONCE_MORE = "Have it approved anew: provisioner approve {plan}"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person who approves says for themselves; all else is the plan's, the fleet's and the journal's."""

    begins: datetime
    ends: datetime
    outside_hours: bool = False
    way_back: bool = False
    ticket: str = ""
    words: str = ""


def approver(fleet: Fleet, account: str) -> Approver:
    """Who may approve under that account. Errors: PlanRefused where fleet.yml does not name it."""
    for one in fleet.settings.rollout.approvers:
        if one.account == account:
            return one
    names = ", ".join(one.called for one in fleet.settings.rollout.approvers)
    raise PlanRefused(
        f"{account} may not approve: rollout.approvers of fleet.yml names {names or 'nobody'}.",
        "One of these has to." if names else 'Name there who may: docs/operations.md, "Approval".',
    )


def this_account() -> str:
    """The one account of this machine by which the person came who runs this. Errors: PlanRefused where they came by
    several, so that nobody can tell who it is."""
    names = [processes.account(uid) for uid in processes.accounts()]
    if len(names) == 1:
        return names[0]
    hint = "Log in as yourself, without su or sudo; or sign: --key FILE.pem"
    if not names:
        raise PlanRefused("This system does not say whose account this is.", hint)
    raise PlanRefused(f"This runs as {names[0]}, and {' and '.join(names[1:])} logged in: who approves?", hint)


def statement(journal: Journal, fleet: Fleet, plan: Plan, by: Approver, wanted: Wanted) -> Approval:
    """What that person approves. Errors: InputError for a time that cannot be, PlanRefused where there is no step."""
    if not plan.steps:
        raise PlanRefused(f"{plan.id} has no steps: there is nothing to approve.", "provisioner plan makes another.")
    if wanted.ends <= wanted.begins:
        raise InputError("The approval would end before it begins.", "--until comes after --from.")
    if wanted.ends - wanted.begins > _LONGEST:
        raise InputError(f"An approval lasts {_LONGEST.days} days at most.", "Give another --until.")
    seal = journal.seal(plan.id)
    return Approval(
        plan=plan.id,
        sha256=str(seal.get("sha256", "")),
        journal=journal.id,
        fleet=fleet.folder,
        account=by.account,
        name=by.called,
        places=_places(fleet, plan),
        shown=shown.lines(plan, hours(fleet, plan), str(seal.get("by", ""))),
        **vars(wanted),
    )


def countable(journal: Journal, fleet: Fleet, plan: Plan, proof: Proof) -> Approval:
    """What an approval says that would count. Errors: PlanRefused where it would not, whenever and whoever asked."""
    if why := next(_Case(journal, fleet, plan).faults(proof), ""):
        raise PlanRefused(f"{plan.id}: {why}.", "Nothing was approved.")
    return approvals.read(proof.text)


def give(journal: Journal, fleet: Fleet, plan: Plan, proof: Proof, now: datetime) -> Approval:
    """Keep an approval in the journal. Errors: PlanRefused where it would not count, or would be over already."""
    given = countable(journal, fleet, plan, proof)
    if given.ends <= now:
        raise PlanRefused(f"{plan.id}: the approval is over since {words.when(given.ends)}.", "Give another --until.")
    said = f"by {given.name} ({_means(proof)}), from {words.short(given.begins)} until {words.short(given.ends)}"
    body = {
        "words": ", ".join(part for part in (said, given.ticket, given.words) if part),
        "text": proof.text,
        "signature": proof.signature,
        "key": proof.key,
        "by": proof.by,
        "accounts": list(proof.accounts),
    }
    journal.append([Event(at=now, kind=standing.APPROVED, plan=plan.id, body=body)])
    return given


def _means(proof: Proof) -> str:
    return "signed" if proof.signature else "by account"


def granted(journal: Journal, fleet: Fleet, plan: Plan, asked: Asked, now: datetime) -> Approval | None:
    """The approval by which this plan, or a part of it, may be done now; None where fleet.yml asks for none.

    Errors: InputError where a name was typed, PlanRefused, in words of its own for each reason, where none counts.
    """
    if not fleet.settings.rollout.approval:
        return None
    if asked.approved_by:
        hint = f"By that person: provisioner approve {plan.id}"
        raise InputError("fleet.yml asks for an approval, and a name that is typed here is none.", hint)
    if not journal.holds(plan):
        raise PlanRefused(f"{plan.id} is not the plan that is in the journal: it was changed since.", "Plan again.")
    why = list[str]()
    for about, proof in _given(journal, plan):
        case = _Case(
            journal, fleet, about, processes.accounts(), now, bool(asked.now_because), _half_done(journal, plan)
        )
        if not (fault := next(case.all(proof), "")):
            return approvals.read(proof.text)
        why.append(fault)
    if not why:
        who = ", ".join(one.called for one in fleet.settings.rollout.approvers) or "nobody: see rollout.approvers"
        others = sorted({event.plan for event in journal.events(kinds=(standing.APPROVED,))})
        also = f" An approval is for its plan alone ({others[-1]} has one)." if others else ""
        hint = f"By one of these ({who}): provisioner approve {plan.id}; then the same command again."
        raise PlanRefused(f"{plan.id} is not approved, and fleet.yml asks for that.{also}", hint)
    raise PlanRefused(f"{plan.id}: {why[0]}.", _ONCE_MORE.format(plan=plan.id))


def _given(journal: Journal, plan: Plan) -> Iterator[tuple[Plan, Proof]]:
    """The approvals of a plan, the newest first; of a way back also those of its plan that cover it."""
    for about in (plan.id, plan.of if plan.kind == "undo" else ""):
        whole = journal.load(about) if about else None
        if not isinstance(whole, Plan):
            continue
        for event in reversed(journal.events(about, kinds=(standing.APPROVED,))):
            try:
                proof = Proof.of(event.body)
                covers = about == plan.id or approvals.read(proof.text).way_back
            except ValueError:
                # What it covers cannot be told: it is said to be damaged.
                proof, covers = Proof(text=str(event.body.get("text", ""))), about == plan.id
            if covers:
                yield whole, proof


def _half_done(journal: Journal, plan: Plan) -> bool:
    """Whether a migration has stopped the old gateway, or may have: no practice is left without a Connector because an
    approval ended meanwhile."""
    return bool(plan.move) and standing.between(journal, plan)


@dataclass(frozen=True)
class _Case:
    """An approval held against what there is: the plan that it is of, the journal, the fleet, who runs the command (by
    their accounts), the moment, and what is asked for."""

    journal: Journal
    fleet: Fleet
    plan: Plan
    operator: Sequence[int] = ()
    now: datetime = datetime.min
    outside: bool = False
    half_done: bool = False

    def all(self, proof: Proof) -> Iterator[str]:
        """Why it does not count now, in the order in which it is said."""
        yield from self.faults(proof)
        given = approvals.read(proof.text)
        if self._is(given, proof) & set(self.operator):
            yield f"{given.name} approved it, and runs this command: somebody else has to do one of the two"
        if self.now < given.begins:
            yield f"its approval by {given.name} begins only on {words.when(given.begins)}"
        if self.now > given.ends and not self.half_done:
            yield f"its approval by {given.name} ended on {words.when(given.ends)}"
        if self.outside and not given.outside_hours:
            yield f"its approval by {given.name} is for the gateways' hours alone, and not for --now"

    def faults(self, proof: Proof) -> Iterator[str]:
        """What is wrong with it, whoever asks and whenever."""
        try:
            given = approvals.read(proof.text)
        except ValueError:
            yield "its approval is damaged: it cannot be read"
            return
        if given.plan != self.plan.id:
            yield f"the approval is of another plan, {given.plan}, and valid for that alone"
        if given.journal != self.journal.id:
            yield "the approval was given for another journal: this one was copied, or adopted since"
        if given.fleet != self.fleet.folder:
            yield f"the approval is for another fleet folder, {given.fleet}"
        if given.sha256 != self.journal.seal(self.plan.id).get("sha256", ""):
            yield f"it was changed since {given.name} approved it"
        yield from self._who(given, proof)
        if given.places != _places(self.fleet, self.plan):
            yield f"the hours of its gateways are others than when {given.name} approved it"

    def _who(self, given: Approval, proof: Proof) -> Iterator[str]:
        named = next((one for one in self.fleet.settings.rollout.approvers if one.account == given.account), None)
        if named is None:
            yield f"{given.name} ({given.account}) is not named in rollout.approvers of fleet.yml"
        elif named.key:
            yield from self._signed(given, proof, named)
        elif proof.signature:
            yield f"it is signed, and rollout.approvers has no key of {given.name} to hold that against"
        elif {processes.account(uid) for uid in proof.accounts} != {given.account}:
            yield f"it was noted by another account than {given.account}"
        if self._is(given, proof) & set(self.journal.seal(self.plan.id).get("accounts", ())):
            yield f"{given.name} made the plan, and cannot approve it too"

    def _signed(self, given: Approval, proof: Proof, named: Approver) -> Iterator[str]:
        # Here, because where nobody has a key nothing that signs is loaded.
        from provisioner.execute import keys

        if not proof.signature:
            yield f"{given.name} has a key in fleet.yml, and the approval is not signed"
        elif not keys.signed(self.fleet, named, proof):
            changed = "or the text was changed after it was signed, if only in the ends of its lines"
            yield f"the signature of its approval is damaged, or not by the key of {given.name}, {changed}"

    def _is(self, given: Approval, proof: Proof) -> set[int]:
        """The accounts of this machine that are the approver's. Who notes a signed approval may be another."""
        own = processes.uid(given.account)
        return ({own} if own is not None else set()) | (set() if proof.signature else set(proof.accounts))


def _places(fleet: Fleet, plan: Plan) -> str:
    return chain.sha256("\n".join(shown.places(plan, hours(fleet, plan))))


def hours(fleet: Fleet, plan: Plan) -> dict[str, str]:
    """When each of a plan's gateways may be touched, as practices.csv has it now."""
    rows = {row.name: row for row in fleet.gateways}
    return {name: rows[name].hours if name in rows else "" for name in plan.places}


def waiting(journal: Journal, fresh: Plan) -> Plan:
    """The plan that was made for an approval before, where this one, made anew, does the same and that has not begun;
    else this one."""
    for event in reversed(journal.events(kinds=(_ASKED_FOR,))):
        if (event.body["kind"], event.body["of"]) != (fresh.kind, fresh.of) or standing.was_begun(journal, event.plan):
            continue
        if journal.holds(replace(fresh, id=event.plan), whole=True):
            found = journal.load(event.plan)
            assert isinstance(found, Plan)
            return found
    return fresh


def granted_or_asked(journal: Journal, fleet: Fleet, plan: Plan, asked: Asked, now: datetime) -> Approval | None:
    """As `granted`, of a plan that is made by the command that does it: where it is not approved it is noted that it
    waits for that, and the same command goes on with it."""
    try:
        return granted(journal, fleet, plan, asked, now)
    except PlanRefused:
        _ask_for(journal, plan, now)
        raise


def _ask_for(journal: Journal, plan: Plan, now: datetime) -> None:
    if not journal.events(plan.id, kinds=(_ASKED_FOR,)):
        body = {"kind": plan.kind, "of": plan.of, "by": str(processes.this())}
        journal.append([Event(at=now, kind=_ASKED_FOR, plan=plan.id, body=body)])
