"""Facts about Windows' firewall on the way from the Connector to the vendor's addresses."""

from collections.abc import Sequence
from typing import Any

from provisioner.audit.facts.addresses import covers, is_any, ports_cover, ports_cross
from provisioner.audit.facts.context import (
    FactContext,
    FactOf,
    known_endpoints,
    listed,
    over_endpoints,
    problems,
    same_path,
    within,
)
from provisioner.audit.facts.running import Programs, by_program
from provisioner.audit.facts.service import real
from provisioner.model.product import PRODUCT

_TCP = 6
# What Windows takes as the near end of a connection.
_EPHEMERAL = (49152, 65535)
_PROFILES = ("domain", "private", "public")


def _rule(reading: FactContext) -> str | list[str]:
    """Whether enabled allow rules let the program that really runs reach all addresses, in every profile. Whether
    they take effect is another question: firewall.override."""
    endpoints, candidates = known_endpoints(reading), real(reading)
    rules = [rule for rule in reading.section("firewall")["rules"] if rule["direction"].lower() == "out"]
    return by_program(candidates, lambda image: _rule_problems(reading, rules, image, candidates, endpoints))


def _rule_problems(
    reading: FactContext, rules: Sequence[Any], image: str, candidates: Programs, endpoints: list[str]
) -> str | list[str]:
    allowing = [rule for rule in rules if rule["action"].lower() == "allow"]
    missing = _missing(endpoints, [rule for rule in allowing if not _faults(rule, image, candidates)])
    ours = [rule for rule in rules if is_ours(rule)]
    doubled = len([rule for rule in ours if rule["enabled"]]) > 1
    if not missing:
        return over_endpoints(
            reading, [f"there are {len(ours)} rules named '{PRODUCT.firewall_rule}'"] if doubled else []
        )
    if not ours:
        near = [rule for rule in allowing if _missing(endpoints, [rule]) != endpoints and rule["remote_addresses"]]
        if not near:
            return ["there is no such rule"]
        best = min(near, key=lambda rule: len(_missing(endpoints, [rule])))
    else:
        best = ours[0]
    wrong = _faults(best, image, candidates)
    if best["remote_addresses"] and (lacking := _missing(endpoints, [best])):
        wrong.append(f"the rule '{best['name']}' lacks {listed(lacking)}")
    return wrong + ([f"there are {len(ours)} rules of that name"] if doubled else [])


def _missing(endpoints: Sequence[str], rules: Sequence[Any]) -> list[str]:
    return [endpoint for endpoint in endpoints if not any(covers(rule["remote_addresses"], endpoint) for rule in rules)]


def is_ours(rule: Any) -> bool:
    """Whether it is the rule that the firewall role makes."""
    return _named(rule) and rule["store"] == "local"


def _named(rule: Any) -> bool:
    return (rule["name"] or "").strip().lower() == PRODUCT.firewall_rule.lower()


def _faults(rule: Any, image: str, candidates: Programs) -> list[str]:
    """What keeps a rule from being right, its addresses left out. A rule of ours must be as narrow as it was made; one
    of somebody else's may be wider."""
    ours, another = is_ours(rule), bool(rule["program"]) and not same_path(rule["program"], image)
    checks = (
        (not rule["enabled"], "is disabled"),
        (rule["action"].lower() != "allow", "blocks instead of allowing"),
        (rule["protocol"] != _TCP and (ours or rule["protocol"] is not None), "is not for TCP"),
        (not ports_cover(rule["remote_ports"], PRODUCT.port), f"is not for port {PRODUCT.port}"),
        (ours and not rule["remote_ports"], "is for every port"),
        (another, f"is for {rule['program']}, and {candidates.words(image)}" if another else ""),
        (ours and not rule["program"], "is for every program"),
        (bool(rule["local_ports"]), "is for some local ports only"),
        (bool(rule["service"]), "is bound to a Windows service, and the Connector's program is not one itself"),
        (not _all_profiles(rule), f"does not hold in every profile, only in {_profiles(rule)}"),
        (ours and is_any(rule["remote_addresses"]), "lets every address through"),
        (bool(rule["conditions"]), f"has further conditions ({', '.join(sorted(rule['conditions']))})"),
    )
    return [f"the rule '{rule['name']}' {words}" for wrong, words in checks if wrong]


def _all_profiles(rule: Any) -> bool:
    named = {profile.lower() for profile in rule["profiles"]}
    return not named or "all" in named or named >= set(_PROFILES)


def _profiles(rule: Any) -> str:
    return listed(sorted(profile.lower() for profile in rule["profiles"])) if rule["profiles"] else "all"


def _deaf(reading: FactContext) -> list[str]:
    """The profiles in which a policy switches local rules off."""
    profiles = reading.section("firewall")["profiles"]
    return [
        name
        for name in _PROFILES
        if profiles[name]["local_rules_apply"] is False and profiles[name]["enabled"] is not False
    ]


def _rule_by(reading: FactContext) -> str:
    """Whose rules count on this PC: its own (local), or only those of its policy."""
    return "policy" if _deaf(reading) else "local"


def _override(reading: FactContext) -> str | list[str]:
    """What makes a rule of ours void, whether it is there or not: a policy, or a rule that blocks."""
    candidates = real(reading)
    return by_program(candidates, lambda image: _hindrances(reading, image, candidates))


def _hindrances(reading: FactContext, image: str, candidates: Programs) -> str | list[str]:
    endpoints, deaf = known_endpoints(reading), _deaf(reading)
    rules = [rule for rule in reading.section("firewall")["rules"] if rule["direction"].lower() == "out"]
    hindrances = []
    by_policy = [rule for rule in rules if rule["store"] != "local" and not _faults(rule, image, candidates)]
    if deaf and _missing(endpoints, by_policy):
        hindrances.append(
            f"a policy makes the firewall ignore this PC's own rules ({', '.join(deaf)}), and has no rule for the "
            f"Connector"
        )
    for rule in rules:
        blocked = [
            endpoint for endpoint in endpoints if _blocks(rule, endpoint, image, reading.settings.service.name, deaf)
        ]
        if blocked:
            all_ = "all endpoints" if blocked == endpoints else listed(blocked)
            hindrances.append(f"the {rule['store']} rule '{rule['name']}' blocks {all_}")
    return over_endpoints(reading, hindrances)


def _blocks(rule: Any, endpoint: str, image: str, own: str, deaf: Sequence[str]) -> bool:
    """Whether an enabled block rule stands in the Connector's way to an address; a block beats every allow. One with
    further conditions may not hold here and is not counted: a condition that always holds is none in the evidence."""
    return (
        bool(rule["enabled"])
        and rule["action"].lower() == "block"
        and rule["protocol"] in (None, _TCP)
        and covers(rule["remote_addresses"], endpoint)
        and ports_cover(rule["remote_ports"], PRODUCT.port)
        and ports_cross(rule["local_ports"], *_EPHEMERAL)
        and (not rule["program"] or same_path(rule["program"], image))
        and (rule["service"] or "*") in ("*", own)
        and not rule["conditions"]
        and not (rule["store"] == "local" and set(deaf) == set(_PROFILES))
    )


def filters_outbound(reading: FactContext) -> bool:
    """Whether this PC's firewall blocks what no rule allows; then our probe, which is not the Connector's program,
    may be blocked where the Connector is not."""
    firewall = reading.evidence.sections.get("firewall")
    if firewall is None or firewall["service_running"] is False:
        return False
    each = [firewall["profiles"][name] for name in _PROFILES]
    return any(profile["outbound_blocked"] and profile["enabled"] is not False for profile in each)


def _rule_left(reading: FactContext) -> str | list[str]:
    """Whether a retired gateway still has the rule that the firewall role makes."""
    ours = [rule for rule in reading.section("firewall")["rules"] if is_ours(rule)]
    return problems([f"the rule '{PRODUCT.firewall_rule}' is still there"] if ours else [])


def _policy_left(reading: FactContext) -> str | list[str]:
    """Whether a policy still lets the Connector out: by the name of our rule, or by its program."""
    rules = [rule for rule in reading.section("firewall")["rules"] if rule["store"] != "local" and rule["enabled"]]
    allowing = [rule for rule in rules if rule["direction"].lower() == "out" and rule["action"].lower() == "allow"]
    left = [rule for rule in allowing if _named(rule) or _for_connector(rule["program"] or "", reading)]
    return problems([f"the {rule['store']} rule '{rule['name']}' still lets the Connector out" for rule in left])


def _for_connector(program: str, reading: FactContext) -> bool:
    connector = reading.settings.connector
    return same_path(program, connector.image) or within(program, connector.folder)


FACTS: dict[str, FactOf] = {
    "firewall.rule": _rule,
    "firewall.rule_by": _rule_by,
    "firewall.override": _override,
    "firewall.rule_left": _rule_left,
    "firewall.policy_left": _policy_left,
}
