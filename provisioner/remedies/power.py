"""How a PC sleeps. Pure."""

from typing import Any

from provisioner.model import Fleet, Gateway
from provisioner.remedies import alarms
from provisioner.remedies.remedy import Back, Remedy, Risk, Sections, Values, all_comes_back, never, state


def _values(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    return {"power_state": state(gateway), "power_sleep_seconds": 0, "power_hibernate_seconds": 0}


def _shown(sections: Sections, values: Values) -> Any:
    return {name: sections["power"][name] for name in ("sleep_seconds", "hibernate_seconds")}


REMEDY = Remedy(
    name="power",
    role="power",
    values=_values,
    needs=None,
    seconds=5.0,
    planned=True,
    stops_service=False,
    told_of_program=False,
    risk=Risk(
        does="Sets sleep and hibernation to never, on mains power.",
        wrong="The PC uses a little more power.",
        back="The times that were set before are set again.",
    ),
    # How a PC sleeps stays as it is on one that is retired.
    alarms=alarms.NONE_KNOWN,
    removal=None,
    back=Back(
        place=20,
        sections=("power",),
        shown=_shown,
        nothing_before=never,
        recorded=False,
        lost=all_comes_back,
        values={},
    ),
)
