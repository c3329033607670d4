"""Whether a computer is a gateway, by the facts of its reading. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from provisioner.audit.facts import OK
from provisioner.find.candidate import Candidate, Likelihood
from provisioner.model import Evidence, Fact
from provisioner.model.settings import Settings

# The sections from which the facts below are told.
SECTIONS = ("identity", "systmone", "connector", "service", "power")
# What speaks for a gateway: Gateway mode runs on one PC of a practice only [docs/windows.md, "systmone"].
_MODE, _RUNS, _LOGGED_IN, _INSTALLED, _AWAKE = 8, 4, 2, 2, 1


def judged(candidate: Candidate, evidence: Evidence, facts: Mapping[str, Fact], settings: Settings) -> Candidate:
    """The candidate with what its reading says of it."""
    if evidence.error:
        return replace(candidate, reasons=(f"{evidence.error.message}. {evidence.error.hint}".strip(),))
    if isinstance(other := facts["identity.same"].value, list):
        # A name that leads elsewhere: what answers there says nothing of this computer.
        return replace(candidate, reasons=tuple(other))
    signs = [*_systmone(facts, settings.systmone.port), *_connector(facts), _power(facts)]
    score = sum(weight for weight, _ in signs)
    return replace(
        candidate, likelihood=_likelihood(facts), score=score, reasons=tuple(words for _, words in signs if words)
    )


def _likelihood(facts: Mapping[str, Fact]) -> Likelihood:
    mode, runs = facts["systmone.gateway_mode"].value, facts["connector.runs"].value
    if mode is True or runs is True:
        return Likelihood.GATEWAY
    untold = facts["systmone.logged_in"].value is None or facts["connector.present"].value is None
    client_of_unknown_mode = facts["systmone.logged_in"].value is True and mode is None
    if facts["connector.present"].value == "yes" or client_of_unknown_mode or untold or runs is None:
        return Likelihood.PERHAPS
    return Likelihood.UNLIKELY


def _systmone(facts: Mapping[str, Fact], port: int) -> list[tuple[int, str]]:
    logged_in, mode = facts["systmone.logged_in"], facts["systmone.gateway_mode"]
    if logged_in.value is None:
        return [(0, f"whether SystmOne runs cannot be told: {logged_in.reason}")]
    if not logged_in.value:
        return [(0, f"nobody is logged in to SystmOne just now (port {port})")]
    listens = f"a SystmOne client listens on port {port}"
    if mode.value is True:
        return [(_LOGGED_IN + _MODE, f"{listens}, in Gateway mode")]
    return [(_LOGGED_IN, f"{listens}, not in Gateway mode" if mode.value is False else f"{listens}: {mode.reason}")]


def _connector(facts: Mapping[str, Fact]) -> list[tuple[int, str]]:
    present, runs = facts["connector.present"].value == "yes", facts["connector.runs"]
    if runs.value is True:
        return [(_RUNS + _INSTALLED * present, "the Connector runs")]
    if present:
        state = "does not run" if runs.value is False else f"whether it runs cannot be told ({runs.reason})"
        return [(_INSTALLED, f"the Connector is installed, and {state}")]
    if facts["connector.present"].value is None or runs.value is None:
        return [(0, "whether it has the Connector cannot be told")]
    return [(0, "no Connector")]


def _power(facts: Mapping[str, Fact]) -> tuple[int, str]:
    plan, policy = facts["power.plan"].value, facts["power.policy"].value
    sleeps = [one for value in (plan, policy) if isinstance(value, list) for one in value]
    if sleeps:
        return 0, "; ".join(sleeps)
    return (_AWAKE, "it is always on") if plan == policy == OK else (0, "")
