"""What a rollout says while it runs, for whoever shows it."""

from dataclasses import dataclass
from datetime import datetime

from provisioner.model import Outcome, Step


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """`budget` says in words when the rollout will stop by itself; `through` are the steps that an earlier run ended
    well."""

    plan: str
    steps: int
    gateways: int
    budget: str
    through: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WaveStarted:
    """Wave `number` of `of` begins."""

    number: int
    of: int
    gateways: tuple[str, ...]
    steps: int


@dataclass(frozen=True, kw_only=True)
class StepsStarted:
    """These are handed to Ansible now."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class StepsActed:
    """Ansible is through with these; how they ended, a reading will say."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class StepEnded:
    """One step's outcome is in the journal."""

    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class PersonAwaited:
    """These steps wait for somebody to do what `words` say, at most until then."""

    steps: tuple[Step, ...]
    words: str
    until: datetime

    @property
    def gateways(self) -> tuple[str, ...]:
        """Where that is, each once."""
        return tuple(dict.fromkeys(step.gateway for step in self.steps))


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Nothing is started until then: what an earlier run began at these gateways may still be at work there."""

    gateways: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Queued:
    """These gateways are away, or their hours have not begun: they are waited for until then."""

    gateways: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, kw_only=True)
class WaveEnded:
    """All of a wave's outcomes are in the journal."""

    number: int


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """`stopped` says why the rollout did not go to its end; "" where it did."""

    plan: str
    stopped: str


Happening = (
    RunStarted
    | WaveStarted
    | StepsStarted
    | StepsActed
    | StepEnded
    | PersonAwaited
    | Settling
    | Queued
    | WaveEnded
    | RunEnded
)
