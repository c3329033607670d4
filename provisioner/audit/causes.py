"""Findings grouped by what is behind them, so that the same thing is said once."""

from collections.abc import Mapping, Sequence

from provisioner.model import Audit, Cause, Control, Finding, Impact, Role, Status
from provisioner.model.audit import Verdict
from provisioner.model.controls import CLOCK, IDENTITY, INTERNET, LOGGED_IN, ONE_ACTIVE, REACHABLE, RULE_BY_POLICY

# What a gateway that could not be read is grouped by: its own words name it.
ERRORS = {
    "Unreachable": "The gateway cannot be reached.",
    "Refused": "The gateway refuses the log-in.",
    "TimedOut": "The gateway does not answer in time.",
    "BadAnswer": "The gateway answers with something that is not evidence.",
    "NotTried": "No log-in was tried, because others were refused with the same account.",
    "NoPassword": "No log-in was tried: the directory does not give the gateway's password (LAPS).",
}

# Where many practices have the same gap at once, something that they share is the likelier reason: control (for a
# gateway that could not be read: the kind of error) -> whom to ask first, and what is said.
_SHARED = {
    LOGGED_IN: ("tpp", "Nobody is logged in at {n}: look at SystmOne itself before each PC."),
    INTERNET: ("network", "No clean connection to the vendor at {n}: look at what opens TLS before each PC."),
    REACHABLE: ("network", "The vendor cannot be reached from {n}: look at the network and the vendor first."),
    RULE_BY_POLICY: ("desktop", "The firewall rule is overridden at {n}: look at the policy before each PC."),
    CLOCK: (
        "desktop",
        "The clock is wrong at {n}: look at the time source, and at this computer's own clock.",
    ),
    "Unreachable": ("network", "{n} cannot be reached: look at the network, the VPN and the WinRM policy first."),
    "TimedOut": ("network", "{n} do not answer in time: look at the network and at this computer's load first."),
    "NoPassword": ("icb-it", "The directory gives no password of {n}: look at the right to read LAPS first."),
    "Refused": ("icb-it", "{n} refuse the log-in: look at the account before each PC."),
}
_MANY, _SHARE = 5, 0.3

# Others never leave anything to do.
OPEN = (Status.FAILED, Status.UNKNOWN, Status.ERROR)


def is_open(finding: Finding | Verdict) -> bool:
    """Whether a finding leaves something to do. An unknown that a statement answers has no cause."""
    if finding.status is Status.UNKNOWN:
        return bool(finding.cause)
    return finding.status in (Status.FAILED, Status.ERROR)


def causes(audit: Audit) -> tuple[Cause, ...]:
    """What leaves something to do, grouped: each control's same text once, with its gateways.

    The same at many practices comes first, as a headline in place of its parts; then required before advice, then
    what is at most gateways. A gateway that could not be read counts once. Candidates are left out: nothing is wanted
    of them.
    """
    controls = {control.id: control for control in audit.controls}
    candidates = {gateway.name for gateway in audit.gateways if gateway.role is Role.CANDIDATE}
    groups: dict[tuple[str, Status, str], list[str]] = {}
    for finding in audit.that_are(*OPEN):
        if not is_open(finding) or finding.gateway in candidates:
            continue
        control = "" if finding.status is Status.ERROR else finding.control
        gateways = groups.setdefault((control, finding.status, finding.cause), [])
        if finding.gateway not in gateways[-1:]:
            gateways.append(finding.gateway)
    headlines, covered = _headlines(audit, groups)
    plain = [_cause(key, gateways, controls) for key, gateways in groups.items() if key not in covered]
    return (*headlines, *sorted(plain, key=lambda cause: _rank(cause, controls)))


# What hurts most: two Connectors at work, or a PC that is not the one meant, about which nothing else then counts.
_FIRST = frozenset({ONE_ACTIVE, IDENTITY})

_Groups = Mapping[tuple[str, Status, str], Sequence[str]]


def _headlines(audit: Audit, groups: _Groups) -> tuple[list[Cause], set[tuple[str, Status, str]]]:
    kinds = {evidence.gateway: evidence.error.kind for evidence in audit.evidence if evidence.error}
    practices = {gateway.name: gateway.practice for gateway in audit.gateways}
    asked = {practices[evidence.gateway] for evidence in audit.evidence}
    read = {practices[evidence.gateway] for evidence in audit.evidence if not evidence.error}
    headlines, covered = [], set[tuple[str, Status, str]]()
    for shared, (owner, text) in _SHARED.items():
        keys = [
            key
            for key, gateways in groups.items()
            if (key[0] == shared and key[1] is Status.FAILED) or (not key[0] and kinds[gateways[0]] == shared)
        ]
        gateways = list(dict.fromkeys(name for key in keys for name in groups[key]))
        hit = {practices[name] for name in gateways}
        among = read if shared not in ERRORS else asked
        if len(hit) < _MANY or len(hit) < _SHARE * len(among):
            continue
        covered.update(keys)
        headlines.append(
            Cause(
                text=text.format(n=f"{len(hit)} practices"),
                control="" if shared in ERRORS else shared,
                status=keys[0][1],
                owner=owner,
                remedy="",
                gateways=tuple(gateways),
                headline=True,
            )
        )
    return sorted(headlines, key=lambda cause: -len(cause.gateways)), covered


def _cause(key: tuple[str, Status, str], gateways: Sequence[str], controls: Mapping[str, Control]) -> Cause:
    name, status, text = key
    control = controls.get(name)
    return Cause(
        text=text,
        control=name,
        status=status,
        owner=control.owner if control else "icb-it",
        remedy=control.remedy if control else "",
        gateways=tuple(gateways),
    )


def _rank(cause: Cause, controls: Mapping[str, Control]) -> tuple[bool, bool, int, str]:
    control = controls.get(cause.control)
    return (
        cause.control not in _FIRST,
        bool(control and control.impact is Impact.ADVICE),
        -len(cause.gateways),
        cause.text,
    )
