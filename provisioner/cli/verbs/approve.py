"""`provisioner approve PLAN`: a second person says that a plan may be done."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from provisioner import files, processes
from provisioner.cli.columns import width, wrapped
from provisioner.cli.commands import word
from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, confirm, folded, follows, out, say
from provisioner.cli.fleets import fleet_on_paper
from provisioner.cli.lookup import any_plan, open_journal
from provisioner.cli.options import moment
from provisioner.errors import InputError, PlanRefused
from provisioner.execute import admission, approving, keys
from provisioner.execute.approving import Wanted
from provisioner.journal import Journal
from provisioner.model import Fleet, Plan
from provisioner.model.settings import Approver
from provisioner.record import approval as approvals
from provisioner.record import signing
from provisioner.record.approval import Approval, Proof
from provisioner.report import approval as shown
from provisioner.report import words
from provisioner.transport.credentials import read_private

_FILE = click.Path(path_type=Path, dir_okay=False)
_SIGNATURE = 64


@click.command("approve")
@click.argument("plan", shell_complete=ids("plan"))
@click.option("--until", default="24h", show_default=True, metavar="WHEN", help="Valid until then: 22:00, 8h, 2d.")
@click.option("--from", "since", metavar="WHEN", help="Valid from then; default: now.")
@click.option("--outside-hours", is_flag=True, help="For `apply --now` too.")
@click.option("--with-way-back", is_flag=True, help="For the plan's own undo too.")
@click.option("--ticket", default="", metavar="ID", help="The change request's number, for the record.")
@click.option("--words", "said", default="", metavar="TEXT", help="What you want to be kept beside it.")
@click.option("--key", type=_FILE, metavar="FILE.pem", help="Sign with your private key.")
@click.option("--for", "account", default="", metavar="ACCOUNT", help="With --output: who is to sign it.")
@click.option("--output", type=_FILE, metavar="FILE", help="Approve nothing: write what is to be signed elsewhere.")
@click.option("--signed", type=_FILE, metavar="FILE", help="Take in what was signed elsewhere; FILE.sig beside it.")
def command(
    plan: str,
    until: str,
    since: str | None,
    outside_hours: bool,
    with_way_back: bool,
    ticket: str,
    said: str,
    key: Path | None,
    account: str,
    output: Path | None,
    signed: Path | None,
) -> int:
    """Approve a plan, as a second person: what is seen before is what is approved, for these hours and no others.

    Who may, rollout.approvers of fleet.yml says: by the account of this machine that runs this, or by a signature.
    Never who made the plan or runs it. Touches no gateway.
    """
    if sum(given is not None for given in (key, output, signed)) > 1 or (account and not output):
        raise click.UsageError("Give one of --key, --output (with --for) and --signed.")
    now = datetime.now(UTC)
    wanted = Wanted(
        begins=(moment(since, now) if since else now).replace(microsecond=0),
        ends=moment(until, now).replace(microsecond=0),
        outside_hours=outside_hours,
        way_back=with_way_back,
        ticket=ticket.strip(),
        words=said.strip(),
    )
    # Who approves need not be able to log in to any gateway.
    fleet = fleet_on_paper()
    with open_journal(fleet) as journal:
        admission.trusted(journal, now)
        admission.at_home(journal)
        found = any_plan(journal, plan)
        if output is not None:
            by = approving.approver(fleet, account or approving.this_account())
            _signs(by, found)
            where = shown.places(found, approving.hours(fleet, found))
            _write(output, _stated(journal, fleet, found, by, wanted), where)
            return 0
        proof = _signed(journal, fleet, found, signed) if signed else _own(journal, fleet, found, wanted, key)
        given = approving.give(journal, fleet, found, proof, datetime.now(UTC))
    _told(found, given, proof)
    return 0


def _signs(by: Approver, plan: Plan) -> None:
    """Errors: PlanRefused where no signature of theirs would count."""
    if not by.key:
        message = f"rollout.approvers of fleet.yml has no key of {by.called}: nothing that they sign counts."
        hint = f"They approve as {by.account}: provisioner approve {plan.id}; or give their public key as `key:` there."
        raise PlanRefused(message, hint)


def _stated(journal: Journal, fleet: Fleet, plan: Plan, by: Approver, wanted: Wanted) -> Approval:
    return approving.statement(journal, fleet, plan, by, wanted)


def _own(journal: Journal, fleet: Fleet, plan: Plan, wanted: Wanted, key: Path | None) -> Proof:
    """The approval of the person at this keyboard, who has seen what it is. Errors: PlanRefused, InputError."""
    pem = read_private(key, "your private key in PEM") if key else ""
    public = signing.public_half(pem, str(key)) if pem else ""
    by = keys.by_key(fleet, public) if pem else approving.approver(fleet, approving.this_account())
    given = _stated(journal, fleet, plan, by, wanted)
    text = approvals.text(given)
    proof = Proof(
        text=text, signature=signing.sign(text.encode(), pem, str(key)) if pem else "", key=public,
        by=str(processes.this()), accounts=processes.accounts(),
    )  # fmt: skip
    # Before anything is read: who may not approve it is not asked.
    approving.countable(journal, fleet, plan, proof)
    where = shown.places(plan, approving.hours(fleet, plan))
    for line in (*shown.on_screen(given.shown, where, plan.id), *_limits(given)):
        label, _, rest = line.partition(": ")
        for part in wrapped(f"{label}: ", rest, width()):
            say(part)
    confirm(f"Approve it, as {by.called}?")
    return proof


def _limits(given: Approval) -> list[str]:
    back = "and its own way back" if given.way_back else "its way back needs an approval of its own"
    hours = "at any hour (--now too)" if given.outside_hours else "within the gateways' hours"
    span = f"from {words.when(given.begins)} until {words.when(given.ends)}"
    return [f"Approval: for this plan alone, {hours}, {back}; {span}"]


def _write(output: Path, given: Approval, where: Sequence[str]) -> None:
    """What is to be signed by somebody who is not here; beside it the gateways, whose SHA-256 is in it. Errors:
    InputError."""
    try:
        files.write(output, (approvals.text(given).encode(),))
        files.write(output.with_name(f"{output.name}.places"), ("\n".join(where).encode(),))
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}.", "Give another --output.") from error
    say(f"{output}, and the gateways in {output.name}.places: {given.name} reads both and signs the first:")
    say(f"  openssl pkeyutl -sign -rawin -inkey KEY.pem -in {word(output.name)} -out {word(f'{output.name}.sig')}")
    say(f"Next: provisioner approve {given.plan} --signed {word(output)}")


def _signed(journal: Journal, fleet: Fleet, plan: Plan, path: Path) -> Proof:
    """An approval that was signed elsewhere. Errors: InputError, PlanRefused where it is not of this plan as it is."""
    text, beside = _bytes(path), path.with_name(f"{path.name}.sig")
    signature = _base64(_bytes(beside), beside)
    try:
        given = approvals.read(text.decode())
    except ValueError as error:
        why = "it is not in UTF-8, as it was written" if isinstance(error, UnicodeDecodeError) else error
        raise InputError(
            f"{path} cannot be read: {why}.", "provisioner approve PLAN --output FILE wrote it."
        ) from error
    by = approving.approver(fleet, given.account)
    key = keys.public_key(fleet, by) if by.key else ""
    proof = Proof(
        text=text.decode(), signature=signature, key=key, by=str(processes.this()), accounts=processes.accounts()
    )  # fmt: skip
    approving.countable(journal, fleet, plan, proof)
    same = Wanted(begins=given.begins, ends=given.ends)
    if given.covers != _stated(journal, fleet, plan, by, same).covers:
        message = f"{path} does not say what {plan.id} is: what {by.called} signed is another text."
        raise PlanRefused(message, "Write it anew with --output.")
    return proof


def _bytes(path: Path) -> bytes:
    try:
        return files.read(path, files.TABLE)
    except OSError as error:
        hint = "--signed FILE takes the file that was signed, and FILE.sig beside it."
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint) from error


def _base64(data: bytes, path: Path) -> str:
    """A signature as openssl writes it, or in base64. Errors: InputError where it is neither."""
    if len(data) == _SIGNATURE:
        return base64.b64encode(data).decode()
    try:
        if len(base64.b64decode(data.strip(), validate=True)) == _SIGNATURE:
            return data.strip().decode()
    except (binascii.Error, ValueError):
        pass
    raise InputError(f"{path} is no signature of Ed25519.", "openssl pkeyutl -sign -rawin makes it, of 64 bytes.")


def _told(plan: Plan, given: Approval, proof: Proof) -> None:
    if as_json():
        body = {
            "version": 1,
            "plan": given.plan,
            "by": given.name,
            "account": given.account,
            "signed": bool(proof.signature),
            "from": words.utc(given.begins),
            "until": words.utc(given.ends),
        }
        out(json.dumps(body, indent=2))
        return
    folded(f"{given.plan} is approved by {given.name}, until {words.when(given.ends)}.")
    follows(f"Next, by somebody else: {words.command(plan)}")
