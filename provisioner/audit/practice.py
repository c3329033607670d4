"""What is judged over all gateways of a practice, or over all findings of a gateway."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from provisioner.audit.facts import OK
from provisioner.model import Fact, Gateway, Role, Status
from provisioner.model.audit import Verdict

Facts = Mapping[str, Fact]


def facts_of(gateway: Gateway, practice: Sequence[Gateway], facts: Mapping[str, Facts]) -> dict[str, Fact]:
    """The facts over a gateway's practice, by name. Said once: at its active gateway, or at the first where none is
    active. `practice` are its known gateways; `facts` those of the gateways that were read."""
    home = next((member for member in practice if member.role is Role.ACTIVE), practice[0])
    running = [member for member in practice if _runs(member, facts)]
    anything = "some" if running or untold(practice, facts) else "none"
    return {
        "practice.connectors": Fact(value=anything if gateway.name == home.name else "elsewhere"),
        "practice.one_connector": _one_connector(practice, running, facts),
    }


def _one_connector(practice: Sequence[Gateway], running: Sequence[Gateway], facts: Mapping[str, Facts]) -> Fact:
    """Whether no more than one Connector runs, and that one on the active gateway."""
    if len(running) > 1:
        return Fact(value=[f"a Connector runs on {' and on '.join(gateway.name for gateway in running)}"])
    several = {gateway.name: facts[gateway.name].get("connector.several", Fact(value=OK)) for gateway in running}
    if found := [
        f"on {name} {words}" for name, one in several.items() if one.value not in (None, OK) for words in one.value
    ]:
        return Fact(value=found)
    if running and running[0].role is not Role.ACTIVE:
        return Fact(value=[f"a Connector runs on {running[0].name}, whose role is {running[0].role}"])
    if names := untold(practice, facts):
        return Fact(
            value=None,
            reason=f"a Connector elsewhere in the practice cannot be ruled out (not read: {', '.join(names)})",
        )
    if unsure := [f"on {name} {one.reason}" for name, one in several.items() if one.value is None]:
        return Fact(value=None, reason="; ".join(unsure))
    return Fact(value=OK)


def untold(practice: Sequence[Gateway], facts: Mapping[str, Facts]) -> list[str]:
    """The gateways of which it is not known whether a Connector runs there."""
    return [gateway.name for gateway in practice if _runs(gateway, facts) is None]


def _runs(gateway: Gateway, facts: Mapping[str, Facts]) -> bool | None:
    """That no Connector runs on the PC at a gateway's address says nothing where it may be another PC."""
    known = facts.get(gateway.name)
    if known is None:
        return None
    runs: bool | None = known["connector.runs"].value
    same = known.get("identity.same")
    return None if runs is False and same and same.value != OK else runs


def in_order(found: Iterable[Verdict], required: Collection[str], runs: Fact) -> Fact:
    """Whether the Connector runs only where nothing required fails: "ok", or the controls that fail. `required` are
    those that are."""
    failing = [verdict.control for verdict in found if verdict.status is Status.FAILED and verdict.control in required]
    if not failing or runs.value is False:
        return Fact(value=OK)
    return Fact(value=failing) if runs.value else Fact(value=None, reason=runs.reason)
