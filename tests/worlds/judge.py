"""The judge of every run: what happened on the machines, by the lab's own events and never by our journal."""

from collections.abc import Iterable, Mapping
from typing import Any

STARTED, STOPPED = "service_started", "service_stopped"


def two_at_once(events: Iterable[Mapping[str, Any]], practices: Mapping[str, str], running: Iterable[str]) -> list[str]:
    """Each moment at which two Connectors of one practice ran. `practices` are those of the gateways; `running` are
    the gateways on which one ran at first."""
    now: dict[str, set[str]] = {}
    for gateway in running:
        now.setdefault(practices[gateway], set()).add(gateway)
    wrong = []
    for event in events:
        here = now.setdefault(practices[event["gateway"]], set())
        if event["event"] == STARTED:
            here.add(event["gateway"])
        elif event["event"] == STOPPED:
            here.discard(event["gateway"])
        if len(here) > 1:
            wrong.append(f"{event['at']}: {', '.join(sorted(here))}")
    return wrong


def without_a_step(events: Iterable[Mapping[str, Any]], begun: Iterable[str]) -> set[str]:
    """The gateways on which something was changed that no step in the journal has begun to change."""
    by_themselves = ("approve_raised", "approve_pressed", "login_refused", "installer_ended", "faults_set")
    changed = {event["gateway"] for event in events if event["event"] not in by_themselves}
    return changed - set(begun)
