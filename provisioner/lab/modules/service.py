"""ansible.windows.win_service and win_service_info, over a pretend Service Control Manager."""

from fnmatch import fnmatchcase
from typing import Any

from provisioner.lab.machine import Machine, WillNotStart
from provisioner.lab.modules.arguments import Call, Failed, Option, Spec, Unmodelled
from provisioner.lab.parts import Action, Service

SPEC: Spec = {
    "dependencies": Option(kind="list", unmodelled=True),
    "dependency_action": Option(default="set", choices=("add", "remove", "set"), unmodelled=True),
    "description": Option(),
    "desktop_interact": Option(kind="bool", default=False, unmodelled=True),
    "display_name": Option(),
    "error_control": Option(default="normal", unmodelled=True),
    "failure_actions": Option(kind="list"),
    "failure_actions_on_non_crash_failure": Option(kind="bool"),
    "failure_command": Option(unmodelled=True),
    "failure_reboot_msg": Option(unmodelled=True),
    "failure_reset_period_sec": Option(kind="int", aliases=("failure_reset_period",)),
    "force_dependent_services": Option(kind="bool", default=False),
    "load_order_group": Option(unmodelled=True),
    "name": Option(required=True),
    "password": Option(unmodelled=True),
    "path": Option(),
    "pre_shutdown_timeout_ms": Option(kind="int", aliases=("pre_shutdown_timeout",), unmodelled=True),
    "required_privileges": Option(kind="list", unmodelled=True),
    "service_type": Option(default="win32_own_process", unmodelled=True),
    "sid_info": Option(default="none", unmodelled=True),
    "start_mode": Option(choices=("auto", "manual", "disabled", "delayed")),
    "state": Option(choices=("started", "stopped", "restarted", "absent", "paused")),
    "update_password": Option(choices=("always", "on_create")),
    "username": Option(),
}
INFO_SPEC: Spec = {"name": Option()}

_ACTIONS = ("none", "reboot", "restart", "run_command")
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
    machine, args = call.machine, call.args
    service = machine.service(args["name"])
    before: Any = _shown(service) if service else ""
    if args["state"] == "absent":
        return _answer(call, changed=_remove(call, service), before=before, after="")
    changed = False
    if service is None:
        service, changed = _create(call), True
    after = _shown(service) if service else _asked(call)
    changed |= _configure(call, service, after)
    changed |= _run(call, service, after)
    return _answer(call, changed=changed, before=before, after=after)


def _remove(call: Call, service: Service | None) -> bool:
    if service and not call.check:
        if service.state != "stopped":
            _order(service, "stop")
            call.machine.stop(service)
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
    service = Service(name=args["name"], display_name=args["name"], path=args["path"])
    call.machine.services.append(service)
    call.machine.happened("service_created", service=service.name)
    return service


def _configure(call: Call, service: Service | None, after: dict[str, Any]) -> bool:
    """Set what was asked for; `after` is brought up to it. Whether anything differed."""
    args = call.args
    wanted = {name: args[name] for name in ("description", "display_name", "path", "start_mode") if args[name]}
    if args["description"] == "":
        wanted["description"] = ""
    if args["username"]:
        wanted["account"] = _account(call.machine, args["username"])
    if args["failure_actions"] is not None:
        wanted["actions"] = [_action(one) for one in args["failure_actions"]]
    if args["failure_reset_period_sec"] is not None:
        wanted["reset_seconds"] = args["failure_reset_period_sec"]
    if args["failure_actions_on_non_crash_failure"] is not None:
        wanted["on_non_crash"] = args["failure_actions_on_non_crash_failure"]
    if service is None:
        return False
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


def _action(said: Any) -> Action:
    if not isinstance(said, dict):
        raise Unmodelled(f"ansible.windows.win_service: the lab does not model the failure action {said!r}")
    kind = said.get("type")
    if kind not in _ACTIONS:
        raise Failed(
            f"value of type must be one of: {', '.join(_ACTIONS)}. Got no match for: {kind} found in failure_actions"
        )
    return Action(str(kind), int(said.get("delay_ms") or said.get("delay") or 0))


def _run(call: Call, service: Service | None, after: dict[str, Any]) -> bool:
    """Bring the service into the wanted state. Whether it was in another."""
    machine, state = call.machine, call.args["state"]
    if service is None or not state:
        return False
    after["state"] = state
    if state == "paused":
        raise Failed(f"failed to pause service {service.name}: The service does not support pausing")
    if service.state == {"started": "running", "stopped": "stopped"}.get(state):
        return False
    if not call.check:
        _order(service, "stop" if state == "stopped" else "start")
        resumes = service.state == "paused" and state == "started"
        if service.state != "stopped" and not resumes:
            machine.stop(service)
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
        "failure_actions": [{"type": one.type, "delay_ms": one.delay_ms} for one in service.actions],
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
    empty = {name: args[name] or "" for name in ("display_name", "path", "start_mode", "state")}
    same = {name: args[name] for name in ("dependencies", "description", "failure_actions")}
    return {
        **empty,
        **same,
        "desktop_interact": False,
        "error_control": "",
        "failure_actions_on_non_crash_failure": None,
        "failure_command": None,
        "failure_reboot_msg": None,
        "failure_reset_period_sec": args["failure_reset_period_sec"],
        "load_order_group": None,
        "name": args["name"],
        "pre_shutdown_timeout_ms": None,
        "required_privileges": None,
        "service_type": "",
        "sid_info": "",
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
        answer["depended_by"] = []
        answer["can_pause_and_continue"] = False if call.machine.service(after["name"]) else None
    if call.diff:
        answer["diff"] = {"before": before, "after": after}
    return answer


def win_service_info(call: Call) -> dict[str, Any]:
    """Tell of one service, of those that a pattern names, or of all."""
    wanted = (call.args["name"] or "*").lower()
    found = [one for one in call.machine.services if _named(one, wanted)]
    services = [_told(call.machine, one) for one in found]
    return {"changed": False, "exists": bool(services), "services": services}


def _named(service: Service, wanted: str) -> bool:
    # By the display name nothing is found: Get-Service -Name does not look there.
    return fnmatchcase(service.name.lower(), wanted)


def _told(machine: Machine, service: Service) -> dict[str, Any]:
    shown = _shown(service)
    del shown["password"]
    return {
        **shown,
        "checkpoint": 0,
        "controls_accepted": ["stop", "shutdown"] if service.state == "running" else [],
        "dependency_of": [],
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
