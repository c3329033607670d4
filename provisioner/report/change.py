"""What a change request says of a plan, as data for its page. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioner import remedies
from provisioner.model import Budget, Gap, Plan, Step
from provisioner.model.plan import STOP
from provisioner.remedies.remedy import IT, Risk
from provisioner.report import pretty, words

_IN_FIRST = "failed in the first wave"
# What a move does beside remedies, by its kind.
_IN_THE_LIST = Risk(
    does="Writes the gateway's new role into practices.csv, once it is true. No gateway is touched.",
    wrong="A file that would not be right is left as it is.",
    back="The role that stood there is written again.",
)
_STOPPED = Risk(
    does=f"Stops and disables the {IT} on the gateway that is left, once the other could take over.",
    wrong=f"From here until the other one's start the practice has no {IT}: messages and bookings wait.",
    back="It is enabled and started again, once the other one is stopped.",
)
_UNTOLD = Risk(does="As the steps below say.", wrong="To be judged from the steps below.", back="As the steps say.")


@dataclass(frozen=True, kw_only=True)
class WaveRow:
    """One gateway in a wave, with what is done there."""

    gateway: str
    practice: str
    name: str
    address: str
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """The steps of one gateway follow each other."""
        return sum(step.seconds for step in self.steps)


def places(steps: Iterable[Step], plan: Plan, names: Mapping[str, str]) -> list[WaveRow]:
    found: dict[str, list[Step]] = {}
    for step in steps:
        found.setdefault(step.gateway, []).append(step)
    return [
        WaveRow(
            gateway=gateway,
            practice=its[0].practice,
            name=names.get(its[0].practice, ""),
            address=plan.places.get(gateway, ("", ""))[1],
            steps=tuple(its),
        )
        for gateway, its in found.items()
    ]


def exactly(steps: Sequence[Step]) -> dict[str, list[tuple[str, str]]]:
    """What each change sets, name and value, in its first step: the others differ only by the row's own columns."""
    found: dict[str, list[tuple[str, str]]] = {}
    for step in steps:
        values = [(name, value) for name, value in step.values.items() if value not in (None, "", [])]
        said = [(name, value if isinstance(value, str) else pretty.text(value)) for name, value in values]
        found.setdefault(words.change(step), said)
    return found


def risk(step: Step) -> Risk:
    """What is said of a step's change, for people who approve it."""
    if step.kind == "row":
        return _IN_THE_LIST
    if step.remedy == STOP:
        return _STOPPED
    remedy = remedies.known().get(step.remedy)
    if remedy is None or (step.removes and remedy.removal is None):
        return _UNTOLD
    return remedy.removal.risk if step.removes and remedy.removal else remedy.risk


def headline(plan: Plan) -> str:
    """Which practice's gateway a plan moves, in words that begin a sentence; "" for one that moves none."""
    if plan.move is None:
        return ""
    practice, old, new = plan.move.practice, plan.move.old, plan.move.new
    return {
        "finish": f"{practice} has moved to {new}, and {old} is retired: ",
        "undo": f"{practice} goes back from {new} to {old}: ",
    }.get(plan.kind, f"{practice} moves from {old} to {new}: ")


def gaps(lacks: Iterable[Gap]) -> dict[str, dict[tuple[str, str], list[Gap]]]:
    """Gaps by owner, then by what is the same for many: the control and what is asked."""
    found: dict[str, dict[tuple[str, str], list[Gap]]] = {}
    for gap in lacks:
        found.setdefault(gap.owner, {}).setdefault((gap.control, gap.ask or gap.message), []).append(gap)
    return found


def stops(budget: Budget) -> str:
    """When a rollout stops, in words."""
    limits = (
        (budget.failed, "failed"),
        (budget.unknown, "ended nobody knows how"),
        (budget.unreachable, "could not be reached"),
        (budget.refused, "refused the log-in"),
        (budget.first_wave, _IN_FIRST),
    )
    stops = [
        ("any gateway" if most == 0 else f"more than {words.counted(most, 'gateway')}") + f" {what}"
        for most, what in limits
        # Where none may fail that of the first wave is said with it.
        if most is not None and not (what == _IN_FIRST and budget.failed == 0)
    ]
    if not stops:
        return "It stops at nothing that goes wrong on a gateway."
    return f"It stops, and can go on later, once {', or '.join(stops)}."
