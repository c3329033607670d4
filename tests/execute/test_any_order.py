"""Commands, deaths, faults and second thoughts in any order: at no time two Connectors, and always a way to an end."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from provisioner.errors import LeaseHeld, PlanRefused
from provisioner.execute.failpoints import Failpoint
from provisioner.journal import standing
from provisioner.model import Plan
from tests.fixtures.dying import dies
from tests.migration.operators import NEW, OLD, Operator, state
from tests.worlds import judge
from tests.worlds.disk import LabWorld


class Evening(RuleBasedStateMachine):
    """One practice, one operator, a journal, and whatever may happen to them."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="provisioner-test-"))
        LabWorld.make(self.folder)
        self.operator = Operator(self.folder)
        self.plan = self.operator.planned()
        self.backs = 0
        self.by_itself = False

    def _change(self, **changes: Any) -> None:
        world = self.operator.world()
        for name, value in changes.items():
            setattr(world, name, value)
        world.save()

    def _command(self) -> None:
        with suppress(PlanRefused, LeaseHeld):
            ended = self.operator.run(self.plan)
            # No practice is left without one by a plan that says it is through.
            if ended.exit_code == 0 and not self.by_itself:
                assert self.operator.world().runs() == self._wanted()

    def _wanted(self) -> set[str]:
        return {OLD} if self.backs else {NEW}

    @rule()
    def goes_on(self) -> None:
        self._command()

    @rule(point=st.sampled_from(list(Failpoint)), nth=st.integers(1, 4))
    def is_killed(self, point: Failpoint, nth: int) -> None:
        dies(self._command, point, nth)

    @rule(remedy=st.sampled_from(["java", "service", "stop", "start", "carry", "firewall"]))
    def something_breaks(self, remedy: str) -> None:
        self._change(broken={remedy: "it broke"})

    @rule(gateway=st.sampled_from([OLD, NEW]))
    def a_gateway_goes_away(self, gateway: str) -> None:
        self._change(offline={gateway})

    @rule()
    def all_is_well_again(self) -> None:
        self._change(broken={}, offline=set(), mute=set(), lost=set(), obliging=True)

    @rule()
    def nobody_at_the_practice_listens(self) -> None:
        self._change(obliging=False)

    @rule()
    def a_person_confirms(self) -> None:
        for remedy in ("online-record", "vendor-page"):
            if any(step.remedy == remedy for step in self.plan.steps):
                self.operator.confirm(self.plan, remedy)

    @precondition(lambda self: self.backs == 0)
    @rule()
    def second_thoughts(self) -> None:
        with self.operator.journal() as journal:
            if not standing.open_migrations(journal):
                return
        self.backs += 1
        self.plan = self.operator.back(self.plan, self.backs)

    @rule(remedy=st.sampled_from(["service", "stop", "start", "firewall"]))
    def an_answer_is_lost(self, remedy: str) -> None:
        self._change(lost={remedy})

    @rule(gateway=st.sampled_from([OLD, NEW]))
    def a_gateway_is_switched_off_and_somebody_states_it(self, gateway: str) -> None:
        """It may be on again later, and nothing of ours runs on it then: nobody but us has started anything."""
        state(self.operator, gateway, "switched off")
        world = self.operator.world()
        machine = world.machines[gateway]
        machine.on_event = world._hears(machine)
        self.by_itself |= gateway in world.runs()
        world._service(machine, run=False)
        world.offline = {gateway}
        world.save()

    @rule(gateway=st.sampled_from([OLD, NEW]))
    def somebody_states_that_one_is_off_which_is_on_and_cannot_be_read(self, gateway: str) -> None:
        state(self.operator, gateway, "switched off")
        self._change(mute={gateway})

    @rule()
    def the_old_one_stops_by_itself(self) -> None:
        world = self.operator.world()
        self.by_itself |= OLD in world.runs()
        machine = world.machines[OLD]
        machine.on_event = world._hears(machine)
        world._service(machine, run=False)
        world.save()

    @invariant()
    def never_two(self) -> None:
        if hasattr(self, "operator"):
            assert self.operator.world().two_at_once() == []

    @invariant()
    def every_change_has_its_step(self) -> None:
        if not hasattr(self, "operator"):
            return
        with self.operator.journal() as journal:
            begun = {event.gateway for event in journal.events(kinds=("step_started",))}
            assert journal.verify() == ""
        changed = [one for one in self.operator.world().happened if one["event"] != "service_stopped"]
        assert judge.without_a_step(changed, begun) == set()

    def teardown(self) -> None:
        """However the evening went: once all is well, the same command leads to an end."""
        if not hasattr(self, "operator"):
            return
        self.all_is_well_again()
        plan: Plan = self.plan
        with self.operator.journal() as journal:
            over = standing.was_opened(journal, "move-1") and not standing.open_migrations(journal)
        ended = None if over else self.operator.through(plan, most=20)
        world = self.operator.world()
        assert world.two_at_once() == []
        # The fence may refuse what somebody did by hand meanwhile; then it says so, and nothing runs twice.
        if ended is None or ended.exit_code == 0:
            assert self.by_itself or world.runs() == self._wanted()
        else:
            assert any(outcome.message for outcome in ended.outcomes)
        shutil.rmtree(self.folder)


Evening.TestCase.settings = settings(
    max_examples=int(os.environ.get("PROVISIONER_TEST_EXAMPLES", "10")),
    stateful_step_count=10,
    deadline=None,
    derandomize="PROVISIONER_TEST_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
TestEvening = Evening.TestCase
