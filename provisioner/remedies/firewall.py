"""The one outbound rule of Windows' firewall. Pure."""

import json
from typing import Any

from provisioner.fleet import endpoints
from provisioner.model import Fleet, Gateway
from provisioner.model.product import PRODUCT
from provisioner.remedies import alarms
from provisioner.remedies.remedy import (
    GROUP,
    IT,
    Back,
    Need,
    Remedy,
    Removal,
    Risk,
    Sections,
    Values,
    not_there,
    state,
)


def _values(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    return {
        "firewall_state": state(gateway),
        "firewall_name": PRODUCT.firewall_rule,
        "firewall_group": GROUP,
        "firewall_program": fleet.settings.connector.image,
        "firewall_addresses": list(endpoints.whole(fleet.settings.endpoints)),
    }


def _shown(sections: Sections, values: Values) -> Any:
    name = PRODUCT.firewall_rule.lower()
    ours = [rule for rule in sections["firewall"]["rules"] if rule["name"].lower() == name]
    rules = [{name: rule[name] for name in sorted(rule) if name != "id"} for rule in ours if rule["store"] == "local"]
    for rule in rules:
        rule["remote_addresses"] = sorted(rule["remote_addresses"])
    return sorted(rules, key=lambda rule: json.dumps(rule, sort_keys=True))


def _lost(before: Values) -> str:
    # Earlier releases told of two rules that were right as well, and left them.
    lost = before.get("rules", 1) > 1 and before["changed"]
    return f"there were {before['rules']} rules of that name, of which one was made" if lost else ""


NEEDS = Need(
    words=f"all {PRODUCT.how_many} endpoints",
    given=lambda settings: not endpoints.why_not_all(settings.endpoints),
    removal=False,
    control="",
    package=None,
)

REMEDY = Remedy(
    name="firewall",
    role="firewall",
    values=_values,
    needs=NEEDS,
    seconds=5.0,
    planned=True,
    stops_service=False,
    told_of_program=True,
    risk=Risk(
        does=f"Adds one outbound rule: the {IT}'s Java, to the vendor's {PRODUCT.how_many} addresses, "
        f"TCP {PRODUCT.port}.",
        wrong="None known: it allows, and blocks nothing.",
        back="The rule is removed, or set as it was before.",
    ),
    alarms=alarms.FIREWALL,
    removal=Removal(
        place=30,
        risk=Risk(
            does=f"Removes the {IT}'s one outbound rule.",
            wrong="None known: what it was for is gone.",
            back="With the role active again a plan adds it.",
        ),
    ),
    back=Back(
        place=40,
        sections=("firewall",),
        shown=_shown,
        nothing_before=not_there,
        recorded=False,
        lost=_lost,
        values={},
    ),
)
