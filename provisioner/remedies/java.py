"""The Java runtime that comes with the Connector. Pure."""

from typing import Any

from provisioner.model import Fleet, Gateway
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
    never,
    state,
)


def _values(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    return {
        **folders(fleet, gateway),
        "java_state": state(gateway),
        "java_home": fleet.settings.java.home,
        "java_package": package(fleet, "jre"),
    }


def _shown(sections: Sections, values: Values) -> Any:
    return {name: sections["java"][name] for name in ("present", "version", "vendor", "architecture")}


REMEDY = Remedy(
    name="java",
    role="java",
    values=_values,
    needs=Need(
        words="packages.jre",
        given=lambda settings: "jre" in settings.packages,
        removal=True,
        control="",
        package="jre",
    ),
    seconds=30.0,
    planned=True,
    stops_service=True,
    told_of_program=False,
    risk=Risk(
        does=f"Puts the Java runtime under the {IT}'s folder. No other Java on the PC is touched.",
        wrong=f"A running {IT} is stopped while its runtime is replaced, and started again.",
        back="Edited files are kept on the gateway and can be put back; the package before is installed again.",
    ),
    alarms=alarms.PACKAGE,
    removal=Removal(
        place=50,
        risk=Risk(
            does=f"Removes the Java runtime that came with the {IT}. No other Java on the PC is touched.",
            wrong="Another program that uses the same runtime ends.",
            back="With the role active again a plan installs it.",
        ),
    ),
    back=Back(
        place=70,
        sections=("java",),
        shown=_shown,
        nothing_before=never,
        recorded=True,
        lost=all_comes_back,
        values={},
    ),
)
