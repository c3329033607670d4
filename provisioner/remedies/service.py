"""The Windows service that runs the Connector: how it is set, and its start, which the same role does. Pure."""

from typing import Any

from provisioner.model import Fleet, Gateway, Role
from provisioner.model.accounts import account_key
from provisioner.remedies import alarms
from provisioner.remedies.package import package
from provisioner.remedies.remedy import (
    IT,
    Back,
    Need,
    Remedy,
    Removal,
    Risk,
    Sections,
    Values,
    all_comes_back,
    folders,
    not_there,
    state,
)

_SHOWN = ("name", "display_name", "command", "image", "account", "actions", "reset_seconds", "on_non_crash")
_STOPPED = ("stopped", "stop_pending")


def _values(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    service, connector = fleet.settings.service, fleet.settings.connector
    standby = gateway.role is not Role.ACTIVE
    return {
        **folders(fleet, gateway),
        "service_state": state(gateway),
        "service_name": service.name,
        "service_display_name": service.display_name,
        # A Connector that runs on a standby is a finding of the practice, never a step of a rollout.
        "service_run": "unchanged",
        "service_start_mode": "disabled" if standby else "delayed",
        "service_account": service.account,
        "service_image": connector.image,
        "service_arguments": service.arguments,
        "service_directory": connector.folder,
        "service_procrun": package(fleet, "procrun"),
        "service_procrun_path": f"{connector.folder}\\{service.name}.exe",
        "service_restart_after": list(service.restart_after),
    }


def _started(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    if gateway.role is not Role.ACTIVE:
        raise ValueError(f"{gateway.name} is {gateway.role}: its {IT} is not started")
    return {**_values(fleet, gateway), "service_run": "started"}


def _shown(sections: Sections, values: Values) -> Any:
    found = sections["service"]["service"]
    if found is None:
        return None
    shown = {name: found[name] for name in _SHOWN} | {"account": account_key(found["account"] or "")}
    # One that is put back is not made to start by itself: Windows would start it past every fence.
    mode = "disabled" if found["start_mode"] == "disabled" else "enabled"
    return {**shown, "running": found["state"] not in _STOPPED, "mode": mode}


_NEEDS = Need(
    words="service.name",
    given=lambda settings: bool(settings.service.name),
    removal=True,
    control="",
    package="procrun",
)
# Two remedies of one role: what was there before the first of them is put back, by one step.
_BACK = Back(
    place=10,
    sections=("service",),
    shown=_shown,
    nothing_before=not_there,
    recorded=False,
    lost=all_comes_back,
    values={"service_run": "unchanged"},
)

REMEDY = Remedy(
    name="service",
    role="service",
    values=_values,
    needs=_NEEDS,
    seconds=15.0,
    planned=True,
    stops_service=True,
    told_of_program=False,
    risk=Risk(
        does=f"Makes the Windows service that runs the {IT}: how it starts, as whom, and that it recovers.",
        wrong="A wrong account or path: the service does not start, and the step fails.",
        back="The service is set as it was before, or removed where there was none.",
    ),
    alarms=alarms.SERVICE,
    removal=Removal(
        place=10,
        risk=Risk(
            does=f"Stops the {IT} and removes the Windows service that runs it.",
            wrong=f"What needs the {IT} at this practice stops. Without a named person's word no practice's last one "
            "goes.",
            back="With the role active again a plan makes it anew; SystmOne may ask for Approve once more.",
        ),
    ),
    back=_BACK,
)

START = Remedy(
    name="start",
    role="service",
    values=_started,
    needs=_NEEDS,
    seconds=10.0,
    planned=True,
    stops_service=True,
    told_of_program=False,
    risk=Risk(
        does=f"Starts the {IT}. The first start at a practice ends waiting until somebody there presses Approve.",
        wrong=f"Two {IT}s in one practice: nothing is started without a named person's word that no other runs.",
        back="The service is stopped and disabled.",
    ),
    alarms=alarms.STARTED,
    removal=None,
    back=_BACK,
)
