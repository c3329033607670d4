"""What a run reads, acts and speaks with: passed in, so that a run itself knows no gateway and no screen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.ansible.results import StepResult
from provisioner.execute import events
from provisioner.model import Evidence, Finding, Gateway, Role, Step

# Between two looks at what a person does or a gateway ends, in seconds.
POLL = 1.0

Read = Callable[[Sequence[Gateway], bool], tuple[Sequence[Evidence], Mapping[str, Sequence[Finding]]]]
Apply = Callable[[Sequence[Step], str], Mapping[str, StepResult]]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """All that a run reaches outside of itself.

    `read` (gateways in the roles by which they are judged, whether to measure endpoints) gives one Evidence each and
    their findings. `apply` (steps of one shard, the run tag) does them, and gives by step id what was said; it is
    called from several threads. `change_rows` writes roles into practices.csv (InputError). `probe` says whether a
    gateway is back. `ask` (what cannot be told) says whether to go on. Once `interrupted` is true nothing further
    starts. `kill_leftovers` ends what a dead run with that run tag left behind (OSError). `pause` takes seconds.
    `why_not_until` says why what one logs in with does not last until then; "" where it does.
    """

    read: Read
    apply: Apply
    notify: Callable[[events.Happening], None]
    now: Callable[[], datetime]
    pause: Callable[[float], None]
    interrupted: Callable[[], bool]
    change_rows: Callable[[Mapping[str, Role]], None]
    probe: Callable[[Gateway], bool]
    ask: Callable[[str], bool]
    kill_leftovers: Callable[[str], object]
    why_not_until: Callable[[datetime], str] = lambda until: ""


def applied(ports: Ports, steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
    """Apply the steps, and give what was said of each. Where that breaks, of whatever kind, nothing is known of any of
    them: other shards go on, and what the gateways show is what counts."""
    try:
        said = ports.apply(steps, run_tag)
    except Exception as error:
        return {step.id: StepResult(result="unknown", message=f"{type(error).__name__}: {error}") for step in steps}
    return {step.id: said.get(step.id, StepResult(result="unknown", message="no result")) for step in steps}
