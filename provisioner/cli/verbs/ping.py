"""`provisioner ping`: can I get in, and if not, what is the likeliest cause?"""

import json
from collections.abc import Iterator

import click

from provisioner.cli.columns import listed, width, wrapped
from provisioner.cli.console import as_json, ask_password, out
from provisioner.cli.fleets import asked_for, whole_fleet
from provisioner.evidence.reader import Reader
from provisioner.model import Evidence, Fleet
from provisioner.report.words import counted

_COLUMNS = ("practice", "gateway", "ok", "seconds", "message", "hint")


@click.command("ping")
def command() -> int:
    """Log in to each gateway and ask who we are there: one line each.

    Changes nothing. In a pipe: rows with tabs. Exit 3 when one cannot be got into.
    """
    fleet = asked_for(whole_fleet(warnings=False))
    answers: list[dict[str, object]] = []
    came = _answers(fleet, answers)
    if as_json():
        order = [gateway.name for gateway in fleet.known]
        gateways = sorted(came, key=lambda answer: order.index(str(answer["gateway"])))
        out(json.dumps({"version": 1, "gateways": gateways}, indent=2))
    else:
        shown, rows = (line for answer in came for line in _lines(answer)), map(_row, came)
        listed(shown, _COLUMNS, rows, after=_not_asked(fleet))
    return 0 if all(answer["ok"] for answer in answers) else 3


def _answers(fleet: Fleet, kept: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Each gateway's answer as it comes; `kept` gets it too."""
    by_name = {gateway.name: gateway for gateway in fleet.known}
    for evidence in Reader(fleet, ask_password).read(fleet.known, lambda _: ("account", "windows")):
        gateway = by_name[evidence.gateway]
        kept.append({"gateway": gateway.name, "practice": gateway.practice, **_answer(evidence)})
        yield kept[-1]


def _lines(answer: dict[str, object]) -> Iterator[str]:
    """For a screen, where nothing stands twice: most names have the practice's code in them."""
    practice, gateway = str(answer["practice"]), str(answer["gateway"])
    who = gateway if practice in gateway.upper() else f"{practice}  {gateway}"
    yield from wrapped(f"{'ok' if answer['ok'] else 'no':<4}{who}  ", str(answer["message"]), width())
    if answer["hint"]:
        yield from wrapped("      ", str(answer["hint"]), width())


def _row(answer: dict[str, object]) -> list[object]:
    said = answer | {"ok": "yes" if answer["ok"] else "no"}
    return [said[name] for name in _COLUMNS]


def _not_asked(fleet: Fleet) -> list[str]:
    unknown = len(fleet.gateways) - len(fleet.known)
    if not fleet.gateways:
        return ["Nobody is asked: practices.csv has no practices yet."]
    return [f"Not asked, because which PC it is is not known yet: {counted(unknown, 'gateway')}."] if unknown else []


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
