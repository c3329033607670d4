"""Many migrations of one command: the first alone, as the pilot, then two at a time where that is safe.

Nothing is begun that would not have been begun one after the other: two run only while the failure budget would hold
even if the one that runs came to fail. And what has a PC or a shared line in common is never at work at the same time.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from provisioner import capacity
from provisioner.errors import LeaseHeld, PlanRefused
from provisioner.execute import budget as budgets
from provisioner.execute.engine import Ended
from provisioner.execute.run import INTERRUPTED
from provisioner.execute.shards import ended
from provisioner.model import Fleet, Gateway, Plan
from provisioner.model.lines import Lines
from provisioner.plan.rollout import budget_of

_AT_ONCE = 2

# How one ended; or why it was left out: somebody else is at work there, or it may not be done any more.
Ending = Ended | LeaseHeld | PlanRefused


@dataclass(kw_only=True)
class Moving:
    """What is under way: `left` is not begun yet, `running` is, `over` has ended, the pilot first."""

    fleet: Fleet
    left: list[Plan]
    running: list[Plan] = field(default_factory=list)
    over: list[Ended] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = Lines(self.fleet.gateways, self.fleet.settings.connection.at_once_per)

    def why_stop(self) -> str:
        """Why no further one is begun; "" while one may be. One that waits for a person is no failure."""
        outcomes = [outcome for ended in self.over for outcome in ended.outcomes]
        first = {outcome.step for outcome in self.over[0].outcomes} if self.over else set()
        return budgets.past(budget_of(self.fleet), outcomes, first)

    def take(self) -> Plan | None:
        """The next that may begin, which is under way from now on; None where none may now."""
        found = next((plan for plan in self.left if not self.running or self._beside(plan)), None)
        if found:
            self.left.remove(found)
            self.running.append(found)
            for row in self._practice(found):
                self.lines.begin(row.name)
        return found

    def end(self, plan: Plan) -> None:
        """It is not under way any more."""
        self.running.remove(plan)
        for row in self._practice(plan):
            self.lines.end(row.name)

    def _beside(self, plan: Plan) -> bool:
        """Whether it may be at work at the same time as what runs."""
        if not self.over or len(self.running) == _AT_ONCE:
            return False
        outcomes = [outcome for ended in self.over for outcome in ended.outcomes]
        # A migration ends at the first stage that does not end well.
        at_stake = sum(max(len({step.gateway for step in wave.steps}) for wave in one.waves) for one in self.running)
        if not budgets.bears(budget_of(self.fleet), outcomes, at_stake):
            return False
        own = self._practice(plan)
        places = {_place(row) for other in self.running for row in self._practice(other)}
        apart = not places & {_place(row) for row in own}
        return apart and self.lines.beside(row.name for row in own) and capacity.workers() >= len(own)

    def _practice(self, plan: Plan) -> list[Gateway]:
        """All of a practice is read and leased while it moves."""
        practices = {practice for practice, _ in plan.places.values()}
        return [row for row in self.fleet.known if row.practice in practices]


def run(
    plans: Sequence[Plan],
    fleet: Fleet,
    do: Callable[[Plan], Ended],
    said: Callable[[Plan, Ending], None],
    interrupted: Callable[[], bool] = lambda: False,
) -> str:
    """Do these plans, each in a thread of its own; `said` hears in the thread of who calls how each has ended, as it
    ends. Why some were not begun; "" where all were.

    Errors: what `do` raises beside LeaseHeld and PlanRefused, once what runs has ended; nothing further is begun then.
    """
    moving, wrong, why = Moving(fleet=fleet, left=list(plans)), None, ""
    running: dict[Future[Ended], Plan] = {}
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        while True:
            why = why or (INTERRUPTED if interrupted() else moving.why_stop())
            while not (why or wrong) and (plan := moving.take()):
                running[pool.submit(do, plan)] = plan
            if not running:
                break
            for future in ended(running):
                plan, error = running.pop(future), future.exception()
                moving.end(plan)
                if isinstance(error, LeaseHeld | PlanRefused):
                    said(plan, error)
                elif error is not None:
                    wrong = wrong or error
                else:
                    moving.over.append(future.result())
                    said(plan, future.result())
    if wrong is not None:
        raise wrong
    return why if moving.left else ""


def two(fleet: Fleet) -> bool:
    """Whether the failure budget ever bears two at a time."""
    return budgets.bears(budget_of(fleet), (), 1)


def _place(row: Gateway) -> tuple[str, int, str]:
    return row.address.lower(), row.port, row.path
