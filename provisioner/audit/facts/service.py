"""Facts about the Connector's Windows service."""

from typing import Any

from provisioner.audit.facts.context import OK, CannotTell, FactContext, FactOf, listed, once, problems, same_path
from provisioner.audit.facts.running import Programs, by_program, programs
from provisioner.model import Role
from provisioner.model.accounts import account_key


def service(reading: FactContext) -> Any:
    """The Connector's service, or None where there is none: the one that fleet.yml names, else the only one whose
    program lies in the Connector's folder. Raises CannotTell where fleet.yml names none and none stands out."""
    section = reading.section("service")
    if section["wanted"] or section["service"]:
        return section["service"]
    others = section["others"]
    if others is None:
        raise CannotTell("the gateway's services cannot be read, and fleet.yml has no service.name")
    if len(others) == 1:
        return others[0]
    if others:
        names = listed(sorted(service["name"] for service in others))
        raise CannotTell(f"fleet.yml has no service.name, and several services lie in the Connector's folder: {names}")
    raise CannotTell("fleet.yml has no service.name, and no service lies in the Connector's folder")


@once
def real(reading: FactContext) -> Programs:
    """Which program is the Connector, as far as this reading shows it."""
    return programs(reading.evidence.sections, reading.settings)


def _image(reading: FactContext) -> str:
    """The program that the service is set to run, where its host tells or it is stopped; else what runs."""
    try:
        known = service(reading)
    except CannotTell:
        known = None
    if known and known["image"] and (known.get("host", "") is not None or known["state"] != "running"):
        return str(known["image"])
    found = real(reading)
    if found.sure and found.each:
        return found.each[0]
    if found.configured:
        return found.configured
    raise CannotTell(found.why)


def _none(reading: FactContext) -> str:
    return f"there is no service {reading.settings.service.name}"


def _state(reading: FactContext) -> str:
    found = service(reading)
    return (found["state"] or "unknown") if found else "no service"


def _running(reading: FactContext) -> bool:
    found = service(reading)
    if found is None:
        return False
    if found["state"] == "start_pending":
        raise CannotTell("the service is starting")
    return bool(found["state"] == "running")


def _start_mode(reading: FactContext) -> str:
    found = service(reading)
    return (found["start_mode"] or "unknown") if found else "no service"


def marked_for_deletion(found: Any) -> bool:
    """Whether Windows removes the service at its next restart. Until then it can be neither started nor set nor made
    anew (error 1072); readings of before do not say it."""
    return bool(found and found.get("marked_for_deletion"))


def _settings(reading: FactContext) -> str | list[str]:
    """Whether the service is there and set as the gateway's role wants it. Account, program, and how soon it starts are
    ours to say only where procrun hosts it: a service of the vendor's own keeps the vendor's."""
    found = service(reading)
    if found is None:
        return OK if reading.gateway.role is Role.STANDBY else [_none(reading)]
    if marked_for_deletion(found):
        return [f"Windows removes the service {found['name']} at its next restart, and until then it cannot be started"]
    hosted = "procrun" in reading.settings.packages
    wrong = _start_problems(found, reading.gateway.role, hosted=hosted)
    if hosted:
        account = reading.settings.service.account
        if found["account"] and account_key(found["account"]) != account_key(account):
            wrong.append(f"it runs as {found['account']} instead of {account}")
        wrong += _program_problems(reading, told=not wrong)
    return problems(wrong)


def _program_problems(reading: FactContext, *, told: bool) -> list[str]:
    """What is wrong with the program. Raises CannotTell where that cannot be told, if `told` asks for it; of a service
    that a standby gateway has disabled nobody asks."""
    wanted = reading.settings.connector.image
    try:
        said = by_program(
            real(reading),
            lambda program: OK if same_path(program, wanted) else [f"it runs {program} instead of {wanted}"],
        )
    except CannotTell:
        if told and reading.gateway.role is not Role.STANDBY:
            raise
        return []
    return [] if isinstance(said, str) else said


def _start_problems(found: Any, role: Role, *, hosted: bool) -> list[str]:
    mode = found["start_mode"]
    if mode is None:
        raise CannotTell("the gateway does not tell how the service starts")
    if role is Role.STANDBY:
        return [] if mode == "disabled" else ["it can be started, and a standby gateway's must be disabled"]
    if mode == "delayed" or (mode == "auto" and not hosted):
        return []
    if found["state"] == "stopped" and mode in ("manual", "disabled"):
        return []  # it is made to start by itself when it is first started: until then Windows must not start it
    if mode == "auto":
        return ["it starts with Windows at once, before the network is there"]
    return ["it does not start by itself"]


def _recovery(reading: FactContext) -> str | list[str]:
    found = service(reading)
    if found is None:
        return [_none(reading)]
    actions, wrong = found["actions"], []
    if actions is None:
        raise CannotTell("the gateway does not tell what Windows does when the service fails")
    wanted = [{"type": "restart", "delay_ms": seconds * 1000} for seconds in reading.settings.service.restart_after]
    if any(action["type"] == "reboot" for action in actions):
        wrong.append("Windows restarts the whole PC when it fails")
    elif not any(action["type"] == "restart" for action in actions):
        wrong.append("Windows does not start it again when it fails")
    elif "procrun" in reading.settings.packages and [dict(action) for action in actions] != wanted:
        delays = [f"{action['type']} after {action['delay_ms'] // 1000} s" for action in actions]
        wrong.append(f"Windows does {listed(delays)} when it fails")
    if not wrong and found["on_non_crash"] is False:
        wrong.append("Windows does not start it again after an exit that is no crash")
    return problems(wrong)


def _left(reading: FactContext) -> str | list[str]:
    """What a retired gateway still has of the service that fleet.yml names."""
    found = reading.section("service")["service"]
    return problems([_still_there(reading.settings.service.name, found)] if found else [])


def _others_left(reading: FactContext) -> str | list[str]:
    """The services whose program lies in the Connector's folder and that fleet.yml does not name."""
    return problems([_still_there(service["name"], service) for service in reading.section("service")["others"]])


def _still_there(name: str, found: Any) -> str:
    goes = ", and Windows removes it at its next restart" if marked_for_deletion(found) else ""
    return f"the service {name} is still there{goes}"


FACTS: dict[str, FactOf] = {
    "service.state": _state,
    "service.running": _running,
    "service.start_mode": _start_mode,
    "service.settings": _settings,
    "service.recovery": _recovery,
    "service.image": _image,
    "service.left": _left,
    "service.others_left": _others_left,
}
