"""`provisioner ping`: can I get in, and if not, what is the likeliest cause?"""

import json

import click

from provisioner.cli.columns import width, wrapped
from provisioner.cli.console import as_json, ask_password, for_a_person, lines, out, say
from provisioner.cli.fleets import as_only, whole_fleet
from provisioner.evidence.reader import Reader
from provisioner.model import Evidence
from provisioner.report.words import counted


@click.command("ping")
def command() -> int:
    """Log in to each gateway and ask who we are there: one line each.

    Changes nothing. Exit 3 when one cannot be got into.
    """
    fleet = as_only(whole_fleet(warnings=False))
    by_name = {gateway.name: gateway for gateway in fleet.known}
    answers = []
    for evidence in Reader(fleet, ask_password).read(fleet.known, lambda _: ("account", "windows")):
        gateway = by_name[evidence.gateway]
        answer = {"gateway": gateway.name, "practice": gateway.practice, **_answer(evidence)}
        answers.append(answer)
        if not as_json():
            mark = "ok  " if answer["ok"] else "no  "
            # On a screen nothing stands twice: there most names have the practice's code in them.
            known = for_a_person() and gateway.practice in gateway.name.upper()
            who = gateway.name if known else f"{gateway.practice}  {gateway.name}"
            _print(f"{mark}{who}  ", str(answer["message"]))
            if answer["hint"]:
                _print("      ", str(answer["hint"]))
    unknown = len(fleet.gateways) - len(fleet.known)
    if unknown and not as_json():
        say(f"Not asked, because which PC it is is not known yet: {counted(unknown, 'gateway')}.")
    if as_json():
        order = list(by_name)
        answers.sort(key=lambda answer: order.index(str(answer["gateway"])))
        out(json.dumps({"version": 1, "gateways": answers}, indent=2))
    return 0 if all(answer["ok"] for answer in answers) else 3


def _print(start: str, text: str) -> None:
    if for_a_person():
        lines(wrapped(start, text, width()))
    else:
        out(f"{start}{text}")


def _answer(evidence: Evidence) -> dict[str, object]:
    if evidence.error:
        error = evidence.error
        return {"ok": False, "seconds": round(evidence.seconds, 1), "message": error.message, "hint": error.hint}
    account, windows = evidence.sections.get("account"), evidence.sections.get("windows", {})
    if account is None:
        why = evidence.section_errors.get("account", "no answer")
        return {"ok": False, "seconds": round(evidence.seconds, 1), "message": f"got in, but: {why}", "hint": ""}
    fit = account["administrator"] and account["elevated"]
    hint = "" if fit else "Make this account an administrator of the PC, unfiltered over the network [R15]."
    kind = "an administrator" if fit else "not an administrator" if not account["administrator"] else "not elevated"
    version = f", Windows build {windows['build']}" if windows.get("build") else ""
    message = f"in as {account['user']}, {kind}{version}, {evidence.seconds:.1f} s"
    return {"ok": fit, "seconds": round(evidence.seconds, 1), "message": message, "hint": hint}
