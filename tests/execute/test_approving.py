"""A second person approves a plan: what of it counts, and each refusal in its own words."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner import processes
from provisioner.errors import InputError, PlanRefused
from provisioner.execute import approving, engine
from provisioner.execute.admission import Asked
from provisioner.execute.approving import Wanted
from provisioner.journal import Event, Journal
from provisioner.model import Plan, Wave
from provisioner.model.settings import Approver
from provisioner.record import approval as approvals
from provisioner.record import signing
from provisioner.record.approval import Proof
from tests.execute.plans import apply, journal, results, some
from tests.record.records import private
from tests.worlds.memory import AT, World

__all__ = ["journal"]  # fixtures

# An account that every Unix has, and nobody logs in by.
NOBODY = "nobody"
HOUR = timedelta(hours=1)


@dataclass
class Change:
    """A plan in a journal that asks for an approval, and how it is given."""

    world: World
    journal: Journal
    plan: Plan
    keys: dict[str, str]

    def proof(self, account: str = NOBODY, *, key: str = "", plan: Plan | None = None, **wanted: Any) -> Proof:
        """What that person approves, from an hour ago for two hours."""
        fleet = self.world.fleet
        by = next(
            (one for one in fleet.settings.rollout.approvers if one.account == account), Approver(account=account)
        )
        wish = Wanted(**{"begins": AT - HOUR, "ends": AT + HOUR, **wanted})
        given = approvals.text(approving.statement(self.journal, fleet, plan or self.plan, by, wish))
        uid = processes.uid(account)
        pem = self.keys.get(key, "")
        signature = signing.sign(given.encode(), pem, key) if pem else ""
        public = signing.public_half(pem, key) if pem else ""
        accounts = () if uid is None else (uid,)
        return Proof(text=given, signature=signature, key=public, by=f"{account}@here pid 1", accounts=accounts)

    def give(self, proof: Proof, plan: Plan | None = None) -> None:
        approving.give(self.journal, self.world.fleet, plan or self.plan, proof, AT)

    def apply(self, plan: Plan | None = None, **changes: Any) -> engine.Ended:
        return apply(self.world, plan or self.plan, self.journal, **changes)


@pytest.fixture
def change(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    monkeypatch.delenv("SUDO_UID", raising=False)
    world = some(2, approval=True)
    keys = {"c.pem": private(), "other.pem": private()}
    (tmp_path / "c.pub.pem").write_text(signing.public_half(keys["c.pem"], "c.pem"))
    world.fleet = replace(world.fleet, folder=str(tmp_path))
    named(
        world,
        Approver(account=NOBODY, name="B. Person"),
        Approver(account="elsewhere", name="C. Person", key="c.pub.pem"),
        Approver(account=processes.account(processes.accounts()[0]), name="The Operator"),
    )
    plan = replace(world.plan(remedies=["firewall"]), id="plan-20261123-201500-ab12")
    journal.save(plan)
    # Somebody else made it than who runs the tests.
    yield Change(world, journal, plan, keys)


def named(world: World, *approvers: Approver) -> None:
    rollout = replace(world.fleet.settings.rollout, approvers=approvers)
    world.fleet = replace(world.fleet, settings=replace(world.fleet.settings, rollout=rollout))


def refused(given: Callable[[], object], words: str) -> None:
    with pytest.raises(PlanRefused, match=words):
        given()


@pytest.mark.parametrize(("account", "key"), [(NOBODY, ""), ("elsewhere", "c.pem")])
def test_an_approved_plan_is_done_and_the_journal_says_by_whose_word(change: Change, account: str, key: str) -> None:
    refused(change.apply, "is not approved")
    proof = change.proof(account, key=key, ticket="CHG-7")
    change.give(proof)
    assert set(results(change.apply()).values()) == {"done"}
    begun = next(event for event in change.journal.events(kinds=("run_started",)))
    assert begun.body["approved_by"] == ("C. Person" if key else "B. Person")
    assert begun.body["ticket"] == "CHG-7"
    assert change.journal.verify() == ""


def test_a_part_of_an_approved_plan_is_approved(change: Change) -> None:
    change.give(change.proof())
    first, *_ = change.plan.waves
    places = {step.gateway: change.plan.places[step.gateway] for step in first.steps}
    part = replace(change.plan, waves=(first,), places=places)
    assert set(results(change.apply(part)).values()) == {"done"}


def test_a_name_that_is_typed_approves_nothing(change: Change) -> None:
    change.give(change.proof())
    with pytest.raises(InputError, match="a name that is typed here is none"):
        change.apply(approved_by="B. Person", ticket="CHG-1")
    assert change.world.acts == []


def test_an_approval_of_another_plan(change: Change) -> None:
    other = replace(change.plan, id="plan-20261123-201501-cd34")
    change.journal.save(other)
    change.give(change.proof(plan=other), other)
    refused(change.apply, f"An approval is for its plan alone \\({other.id} has one\\)")
    refused(lambda: change.give(change.proof(plan=other)), f"of another plan, {other.id}, and valid for that alone")
    # One that was put to another plan in the file itself.
    body = change.journal.events(other.id, kinds=("approved",))[0].body
    change.journal.append([Event(at=AT, kind="approved", plan=change.plan.id, body=body)])
    refused(change.apply, "of another plan")


def test_by_the_operator(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    change.give(change.proof())
    # Whoever comes by sudo is who called it, whatever account the command runs as.
    monkeypatch.setenv("SUDO_UID", str(processes.uid(NOBODY)))
    refused(change.apply, "B. Person approved it, and runs this command")
    assert change.world.acts == []


def test_by_who_made_the_plan(change: Change) -> None:
    me = processes.account(processes.accounts()[0])
    refused(lambda: change.give(change.proof(me)), "The Operator made the plan, and cannot approve it too")


def test_by_somebody_who_is_not_named(change: Change) -> None:
    refused(lambda: change.give(change.proof("daemon")), "daemon .* is not named in rollout.approvers")
    change.give(change.proof())
    named(change.world, Approver(account="elsewhere", name="C. Person", key="c.pub.pem"))
    refused(change.apply, "B. Person .* is not named")


def test_by_another_account_than_it_says(change: Change) -> None:
    daemon = processes.uid("daemon")
    assert daemon is not None
    refused(lambda: change.give(replace(change.proof(), accounts=(daemon,))), "noted by another account than nobody")


def test_a_damaged_signature(change: Change) -> None:
    good = change.proof("elsewhere", key="c.pem")
    refused(lambda: change.give(replace(good, signature="")), "has a key in fleet.yml, and the approval is not signed")
    by_other = change.proof("elsewhere", key="other.pem")
    refused(lambda: change.give(by_other), "the signature of its approval is damaged, or not by the key of C. Person")
    later = replace(good, text=good.text.replace("2026-11-23", "2027-11-23"))
    refused(lambda: change.give(later), "the signature of its approval is damaged")
    refused(lambda: change.give(replace(good, text="{}")), "its approval is damaged: it cannot be read")
    # In the journal's file, by somebody who can write it.
    body = {"text": good.text, "signature": by_other.signature, "key": good.key, "by": good.by, "accounts": []}
    change.journal.append([Event(at=AT, kind="approved", plan=change.plan.id, body=body)])
    refused(change.apply, "the signature of its approval is damaged")
    assert change.world.acts == []


def test_before_and_after_its_hours(change: Change) -> None:
    change.give(change.proof())
    change.world.clock = AT - 2 * HOUR
    refused(change.apply, "begins only on Monday 23 November 2026, 19:15 GMT")
    change.world.clock = AT + 2 * HOUR
    refused(change.apply, "ended on Monday 23 November 2026, 21:15 GMT")
    late = AT + 2 * HOUR
    refused(
        lambda: approving.give(change.journal, change.world.fleet, change.plan, change.proof(), late), "is over since"
    )
    with pytest.raises(InputError, match="before it begins"):
        change.proof(ends=AT - 2 * HOUR)
    assert change.world.acts == []


def test_no_wave_is_begun_after_its_end(change: Change) -> None:
    change.give(change.proof())
    act = change.world.act

    def slow(steps: Any, run_tag: str) -> Any:
        change.world.clock += 2 * HOUR
        return act(steps, run_tag)

    ended = change.apply(apply=slow)
    assert list(results(ended).values()) == ["done", "skipped"]
    assert ended.stopped.startswith("its approval by B. Person ended")
    assert ended.exit_code == 4


def test_outside_the_hours_only_where_that_was_approved(change: Change) -> None:
    change.give(change.proof())
    refused(lambda: change.apply(now_because="the vendor waits"), "for the gateways' hours alone, and not for --now")
    change.give(change.proof(outside_hours=True))
    assert set(results(change.apply(now_because="the vendor waits")).values()) == {"done"}


def test_hours_that_were_changed_since(change: Change) -> None:
    change.give(change.proof())
    first, *rest = change.world.fleet.gateways
    change.world.fleet = replace(change.world.fleet, gateways=(replace(first, hours="always"), *rest))
    refused(change.apply, "the hours of its gateways are others than when B. Person approved it")


def test_a_plan_that_was_changed_since(change: Change) -> None:
    change.give(change.proof())
    first, *rest = change.plan.waves
    values = replace(first.steps[0], values={"firewall_state": "absent"})
    other = replace(change.plan, waves=(Wave(number=1, steps=(values,)), *rest))
    refused(lambda: change.apply(other), "it was changed since")
    # Steps that are all in it, in another order of waves.
    at_once = replace(change.plan, waves=(Wave(number=1, steps=change.plan.steps),))
    refused(lambda: change.apply(at_once), "it was changed since")
    text = change.proof().text.replace(change.journal.seal(change.plan.id)["sha256"], "0" * 64)
    refused(lambda: change.give(replace(change.proof(), text=text)), "it was changed since B. Person approved it")


def test_another_fleet_and_another_journal(change: Change) -> None:
    proof = change.proof()
    change.give(proof)
    change.world.fleet = replace(change.world.fleet, folder="/elsewhere")
    refused(change.apply, "for another fleet folder")
    change.world.fleet = replace(change.world.fleet, folder=change.world.fleet.folder)
    change.journal.adopt("by me", AT)
    refused(lambda: change.give(proof), "for another journal")


@pytest.mark.parametrize("covered", [False, True])
def test_the_way_back_is_covered_where_the_approver_said_so(change: Change, covered: bool) -> None:
    change.give(change.proof(way_back=covered))
    back = replace(change.plan, id="undo-20261123-201502-ef56", kind="undo", of=change.plan.id)
    change.journal.save(back)
    asked = Asked()
    if covered:
        assert approving.granted(change.journal, change.world.fleet, back, asked, AT)
    else:
        refused(
            lambda: approving.granted(change.journal, change.world.fleet, back, asked, AT), f"{back.id} is not approved"
        )


def test_a_plan_that_waits_for_its_approval_is_found_again(change: Change) -> None:
    back = replace(change.plan, id="undo-1", kind="undo", of=change.plan.id)
    change.journal.save(back)
    fresh = replace(back, id="undo-2")
    assert approving.waiting(change.journal, fresh) is fresh
    fleet = change.world.fleet
    refused(lambda: approving.granted_or_asked(change.journal, fleet, back, Asked(), AT), "not approved")
    assert approving.waiting(change.journal, fresh).id == "undo-1"
    # One that does something else by now is another plan.
    fewer = replace(fresh, waves=fresh.waves[:1])
    assert approving.waiting(change.journal, fewer) is fewer


@pytest.mark.skipif(os.name != "posix", reason="no accounts as Unix has them")
def test_root_is_nobodys_own_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setenv("USER", "somebody")
    alone = processes.accounts()
    assert os.getuid() in alone or alone == (0,) or 0 not in alone
    monkeypatch.setenv("SUDO_UID", "12345")
    assert 12345 in processes.accounts()
    assert 0 not in processes.accounts()
    monkeypatch.setenv("SUDO_UID", "no number")
    assert processes.accounts() == alone
