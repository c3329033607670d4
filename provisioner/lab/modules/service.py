"""ansible.windows.win_service and win_service_info, over a pretend Service Control Manager."""

from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec, Unmodelled, parse
from provisioner.lab.windows import variables, wildcard
from provisioner.lab.windows.machine import Machine, WillNotStart
from provisioner.lab.windows.state import Action, Service

SPEC: Spec = {
    "dependencies": Option(kind="list", unmodelled=True),
    "dependency_action": Option(default="set", choices=("add", "remove", "set"), unmodelled=True),
    "description": Option(),
    "desktop_interact": Option(kind="bool", default=False, unmodelled=True),
    "display_name": Option(),
    "error_control": Option(choices=("critical", "ignore", "normal", "severe")),
    "failure_actions": Option(kind="list"),
    "failure_actions_on_non_crash_failure": Option(kind="bool"),
    "failure_command": Option(unmodelled=True),
    "failure_reboot_msg": Option(unmodelled=True),
    "failure_reset_period_sec": Option(kind="uint32", aliases=("failure_reset_period",)),
    "force_dependent_services": Option(kind="bool", default=False),
    "load_order_group": Option(unmodelled=True),
    "name": Option(required=True),
    "password": Option(),
    "path": Option(),
    "pre_shutdown_timeout_ms": Option(kind="uint32", aliases=("pre_shutdown_timeout",), unmodelled=True),
    "required_privileges": Option(kind="list", unmodelled=True),
    "service_type": Option(
        choices=("win32_own_process", "win32_share_process", "user_own_process", "user_share_process")
    ),
    "sid_info": Option(choices=("none", "restricted", "unrestricted")),
    "start_mode": Option(choices=("auto", "manual", "disabled", "delayed")),
    "state": Option(choices=("started", "stopped", "restarted", "absent", "paused")),
    "update_password": Option(choices=("always", "on_create")),
    "username": Option(),
}
INFO_SPEC: Spec = {"name": Option()}

_ACTION_SPEC: Spec = {
    "delay_ms": Option(kind="uint32", default=0, aliases=("delay",)),
    "type": Option(choices=("none", "reboot", "restart", "run_command"), required=True),
}
# What every service of the lab has of these; anything else is not modelled.
_ALWAYS = {"error_control": "normal", "service_type": "win32_own_process", "sid_info": "none"}
# What may be given of a service that is not there without asking for one: the module then only says so.
_NOTHING_ASKED = {
    "name": None,
    "force_dependent_services": None,
    "update_password": None,
    "dependency_action": "set",
    "desktop_interact": False,
}
# Windows knows these accounts by several names, and answers with the last.
_ACCOUNTS = {
    "localsystem": "NT AUTHORITY\\SYSTEM",
    "system": "NT AUTHORITY\\SYSTEM",
    "nt authority\\system": "NT AUTHORITY\\SYSTEM",
    "s-1-5-18": "NT AUTHORITY\\SYSTEM",
    "localservice": "NT AUTHORITY\\LOCAL SERVICE",
    "local service": "NT AUTHORITY\\LOCAL SERVICE",
    "nt authority\\localservice": "NT AUTHORITY\\LOCAL SERVICE",
    "nt authority\\local service": "NT AUTHORITY\\LOCAL SERVICE",
    "s-1-5-19": "NT AUTHORITY\\LOCAL SERVICE",
    "networkservice": "NT AUTHORITY\\NETWORK SERVICE",
    "network service": "NT AUTHORITY\\NETWORK SERVICE",
    "nt authority\\networkservice": "NT AUTHORITY\\NETWORK SERVICE",
    "nt authority\\network service": "NT AUTHORITY\\NETWORK SERVICE",
    "s-1-5-20": "NT AUTHORITY\\NETWORK SERVICE",
}


def win_service(call: Call) -> dict[str, Any]:
    """Make, change, start, stop or remove a service."""
    args = call.args
    _is_modelled(call)
    service = _found(call)
    before: Any = _shown(service) if service else ""
    if args["state"] == "absent":
        return _answer(call, changed=_remove(call, service), before=before, after="")
    if service is None and not _is_asked_for(call):
        return _answer(call, changed=False, before="", after="")
    changed = False
    if service is None:
        service, changed = _create(call), True
    after = _shown(service) if service else _asked(call)
    changed |= _configure(call, service, after)
    changed |= _run(call, service, after)
    return _answer(call, changed=changed, before=before, after=after)


def _is_modelled(call: Call) -> None:
    """What is wrong with the arguments, or more than the lab knows, is said before anything is done. Raises Failed, or
    Unmodelled."""
    args = call.args
    if args["password"] is not None and args["username"] is None:
        raise Failed("missing parameter(s) required by 'password': username")
    for name, value in {"password": None, **_ALWAYS}.items():
        if args[name] not in (None, value):
            raise Unmodelled(f"ansible.windows.win_service: the lab does not model {name}={args[name]!r}")
    _actions(call)


def _found(call: Call) -> Service | None:
    """The service of that name or display name; of no such one, the one that the name fits as a pattern."""
    name, machine = call.args["name"], call.machine
    if service := machine.service(name):
        return service
    matching = _matching(machine, name) if wildcard.has_wildcards(name) else []
    if len(matching) > 1:
        raise Unmodelled(f"ansible.windows.win_service: {name} fits several services, which the lab does not model")
    return matching[0] if matching else None


def _matching(machine: Machine, pattern: str) -> list[Service]:
    """What Get-Service -Name finds of a pattern, in its order."""
    try:
        fits = wildcard.matcher(pattern)
    except wildcard.BadPattern as error:
        raise _unhandled(str(error)) from None
    return _in_order([service for service in machine.services if fits.fullmatch(service.name)])


def _in_order(services: list[Service]) -> list[Service]:
    return sorted(services, key=lambda service: service.name.lower())


def _is_asked_for(call: Call) -> bool:
    given = {name: value for name, value in call.args.items() if value is not None}
    return any(name not in _NOTHING_ASKED or _NOTHING_ASKED[name] not in (None, value) for name, value in given.items())


def _remove(call: Call, service: Service | None) -> bool:
    if service and not call.check:
        _stop(call, service)
        call.machine.services.remove(service)
        call.machine.happened("service_removed", service=service.name)
    return service is not None


def _create(call: Call) -> Service | None:
    args = call.args
    if args["path"] is None:
        raise Failed(
            f"Service '{args['name']}' is not installed, need to set 'path' to create a new service", exists=False
        )
    if call.check:
        return None
    path = variables.expand(call.machine, args["path"])
    service = Service(name=args["name"], display_name=args["name"], path=path)
    call.machine.services.append(service)
    call.machine.happened("service_created", service=service.name)
    return service


def _asked_for(call: Call) -> dict[str, Any]:
    """The properties that are to be set, by the names that a service of the lab has for them."""
    args = call.args
    wanted = {name: args[name] for name in ("display_name", "start_mode") if args[name]}
    if args["path"]:
        wanted["path"] = variables.expand(call.machine, args["path"])
    if args["username"]:
        wanted["account"] = _account(call.machine, args["username"])
    for name, value in (
        ("description", args["description"]),
        ("actions", _actions(call)),
        ("reset_seconds", args["failure_reset_period_sec"]),
        ("on_non_crash", args["failure_actions_on_non_crash_failure"]),
    ):
        if value is not None:
            wanted[name] = value
    return wanted


def _configure(call: Call, service: Service | None, after: dict[str, Any]) -> bool:
    """Set what was asked for; `after` is brought up to it. Whether anything differed."""
    if service is None:
        return False
    args, wanted = call.args, _asked_for(call)
    differs = {name: value for name, value in wanted.items() if getattr(service, name) != value}
    if "reset_seconds" in differs and not (wanted.get("actions") or service.actions):
        raise _unhandled(
            'Exception setting "FailureActions": '
            '"Cannot set FailureAction ResetPeriod without explicit Actions and no existing Actions"'
        )
    asked = Service(**{**vars(service), **wanted})
    if differs and not call.check:
        vars(service).update(differs)
        if not service.actions:
            # Windows forgets the period with the actions.
            service.reset_seconds = 0
        call.machine.happened("service_changed", service=service.name, properties=sorted(differs))
    after.update(_shown(asked))
    if args["description"] == "":
        after["description"] = ""
    if args["failure_actions_on_non_crash_failure"] is not None:
        # The module means to show it and misspells its own variable.
        after["failure_actions_on_non_crash_failure"] = None
    return bool(differs)


def _account(machine: Machine, name: str) -> str:
    known = _ACCOUNTS.get(name.lower())
    if known is None and name.lower().startswith((".\\", f"{machine.who().computer_name}\\".lower())):
        raise _unhandled(
            'Exception calling "Translate" with "1" argument(s): '
            '"Some or all identity references could not be translated."'
        )
    return known or name


def _actions(call: Call) -> list[Action] | None:
    actions = call.args["failure_actions"]
    return None if actions is None else [_action(action) for action in actions]


def _action(said: Any) -> Action:
    if not isinstance(said, dict):
        raise Unmodelled(f"ansible.windows.win_service: the lab does not model the failure action {said!r}")
    try:
        args = parse("ansible.windows.win_service", _ACTION_SPEC, said)
    except Failed as failure:
        wrong, dot, supported = failure.message.partition(". Supported parameters")
        raise Failed(f"{wrong} found in failure_actions{dot}{supported}", **failure.values) from None
    return Action(args["type"], args["delay_ms"])


def _run(call: Call, service: Service | None, after: dict[str, Any]) -> bool:
    """Bring the service into the wanted state. Whether it was in another."""
    machine, state = call.machine, call.args["state"]
    if service is None or not state:
        return False
    after["state"] = state
    if state == "paused":
        raise Failed(f"failed to pause service {service.name}: The service does not support pausing", exists=False)
    if service.state == {"started": "running", "stopped": "stopped"}.get(state):
        return False
    if not call.check:
        _order(service, "stop" if state == "stopped" else "start")
        resumes = service.state == "paused" and state == "started"
        if service.state != "stopped" and not resumes:
            _stop(call, service)
        if resumes:
            machine.resume(service)
        elif state != "stopped":
            try:
                machine.start(service, call.now)
            except WillNotStart as failure:
                raise _unhandled(str(failure)) from None
    return True


def _order(service: Service, order: str) -> None:
    """One that is under way from one state to another takes none (ERROR_SERVICE_CANNOT_ACCEPT_CTRL, 1061)."""
    if service.state.endswith("_pending"):
        named = f"'{service.display_name} ({service.name})'"
        why = f"Cannot {order} {service.name} service on computer '.'."
        done = "stopped" if order == "stop" else "started"
        raise _unhandled(f"Service {named} cannot be {done} due to the following error: {why}")


def _stop(call: Call, service: Service) -> None:
    """Stop a service, and those that depend on it where that is forced."""
    running = [other for other in _dependents(call.machine, service) if other.state != "stopped"]
    if running and service.state != "stopped" and not call.args["force_dependent_services"]:
        raise _unhandled(
            f"Cannot stop service '{service.display_name} ({service.name})' because it has dependent services. "
            "It can only be stopped if the Force flag is set."
        )
    for each in (*running, service):
        if each.state != "stopped":
            _order(each, "stop")
            call.machine.stop(each)


def _dependents(machine: Machine, service: Service) -> list[Service]:
    name = service.name.lower()
    return [each for each in machine.services if name in (other.lower() for other in each.dependencies)]


def _unhandled(message: str) -> Failed:
    return Failed(f"Unhandled exception while executing module: {message}", exists=False)


def _shown(service: Service) -> dict[str, Any]:
    """A service as the module's difference shows it."""
    account = _ACCOUNTS.get(service.account.lower(), service.account)
    return {
        "dependencies": service.dependencies,
        "description": service.description or None,
        "desktop_interact": False,
        "display_name": service.display_name,
        "error_control": "normal",
        "failure_actions": [{"type": action.type, "delay_ms": action.delay_ms} for action in service.actions],
        "failure_actions_on_non_crash_failure": service.on_non_crash,
        "failure_command": None,
        "failure_reboot_msg": None,
        "failure_reset_period_sec": service.reset_seconds,
        "load_order_group": "",
        "name": service.name,
        "password": "REDACTED",
        "path": service.path,
        "pre_shutdown_timeout_ms": 180_000,
        "required_privileges": [],
        "service_type": "win32_own_process",
        "sid_info": "none",
        "start_mode": service.start_mode,
        "state": "started" if service.state == "running" else service.state,
        "username": account,
    }


def _asked(call: Call) -> dict[str, Any]:
    """What the difference shows of a service that check mode did not make: the arguments as they came."""
    args = call.args
    empty = {name: args[name] or "" for name in ("display_name", "start_mode", "state")}
    same = {name: args[name] for name in ("dependencies", "description", "failure_actions")}
    return {
        **empty,
        **same,
        "desktop_interact": False,
        "error_control": args["error_control"] or "",
        "failure_actions_on_non_crash_failure": None,
        "failure_command": None,
        "failure_reboot_msg": None,
        "failure_reset_period_sec": args["failure_reset_period_sec"],
        "load_order_group": None,
        "name": args["name"],
        "path": variables.expand(call.machine, args["path"]),
        "pre_shutdown_timeout_ms": None,
        "required_privileges": None,
        "service_type": args["service_type"] or "",
        "sid_info": args["sid_info"] or "",
    }


def _answer(call: Call, *, changed: bool, before: Any, after: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"changed": changed, "exists": bool(after)}
    if after:
        names = ("dependencies", "description", "desktop_interact", "display_name", "name", "path", "start_mode")
        answer |= {name: after[name] for name in names}
        username = after.get("username")
        answer["username"] = "LocalSystem" if username == "NT AUTHORITY\\SYSTEM" else username
        state = after["state"].replace("_", "")
        answer["state"] = "running" if state in ("started", "restarted") else state
        service = call.machine.service(after["name"])
        answer["depended_by"] = [other.name for other in _dependents(call.machine, service)] if service else []
        answer["can_pause_and_continue"] = False if service else None
    if call.diff:
        answer["diff"] = {"before": before, "after": after}
    return answer


def win_service_info(call: Call) -> dict[str, Any]:
    """Tell of one service, of those that a pattern names, or of all."""
    services = [_told(call.machine, service) for service in _wanted(call.machine, call.args["name"])]
    return {"changed": False, "exists": bool(services), "services": services}


def _wanted(machine: Machine, name: str | None) -> list[Service]:
    """The service of exactly that name, whatever is in it; else those that it fits as a pattern; else the one that it
    is the display name of, which Get-Service takes in a name's place but not in a pattern's."""
    if name is None:
        return _in_order(machine.services)
    if exact := [service for service in machine.services if service.name.lower() == name.lower()]:
        return exact
    if wildcard.has_wildcards(name):
        return _matching(machine, name)
    return [service for service in machine.services if service.display_name.lower() == name.lower()]


def _told(machine: Machine, service: Service) -> dict[str, Any]:
    shown = _shown(service)
    del shown["password"]
    return {
        **shown,
        "checkpoint": 0,
        "controls_accepted": ["stop", "shutdown"] if service.state == "running" else [],
        "dependency_of": [other.name for other in _dependents(machine, service)],
        "launch_protection": "none",
        "preferred_node": None,
        "process_id": machine.pid(service.path) if service.state == "running" else 0,
        "service_exit_code": 0,
        "service_flags": [],
        "triggers": [],
        "wait_hint_ms": 0,
        # ERROR_SERVICE_NEVER_STARTED: what Windows says of every service that has not run since it started itself.
        "win32_exit_code": 0 if service.state == "running" else 1077,
    }
