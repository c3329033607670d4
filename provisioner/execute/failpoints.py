"""The points at which a run can die, by name. A test kills a run at each of them and goes on."""

from enum import StrEnum


class Failpoint(StrEnum):
    """Between two of these nothing is written anywhere: not to the journal, not to a gateway, not to practices.csv."""

    PLAN_LEASED = "the plan is leased"
    RECOVERED = "what an earlier run left open is recorded"
    RUN_NOTED = "the run is in the journal"
    WAVE_LEASED = "the wave's gateways are leased"
    WAVE_READ = "the wave's gateways were read"
    VERDICTS_NOTED = "what is not to be done is in the journal"
    CLAIMED = "a practice's gateways are marked as worked on"
    STARTS_NOTED = "steps are in the journal as started"
    ACTED = "the steps were acted on"
    READ_AGAIN = "their gateways were read again"
    ENDS_NOTED = "outcomes are in the journal"
    ROW_WRITTEN = "practices.csv has the new role"
    RELEASED = "those markers are taken away"
    WAVE_RELEASED = "the wave's leases are given back"
    RUN_END_NOTED = "the run's end is in the journal"


def reached(point: Failpoint) -> None:
    """A run comes by that point."""
