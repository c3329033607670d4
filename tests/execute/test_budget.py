"""When a rollout stops: the budget of failures, by wave and by kind."""

from collections.abc import Sequence
from dataclasses import replace

from provisioner.ansible.results import StepResult
from provisioner.execute import budget as budgets
from provisioner.execute.events import Happening, RunStarted
from provisioner.journal import Journal
from provisioner.model import Budget, Outcome, Result, Step
from tests.execute.plans import apply, journal, results, some
from tests.worlds.memory import AT

__all__ = ["journal"]  # fixtures


def test_a_failure_in_the_first_wave_stops(journal: Journal) -> None:
    world = some(3)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].broken["firewall"] = "access denied"
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "failed", "B84001-firewall": "skipped", "B84002-firewall": "skipped"}
    assert "the first wave went wrong at B84000" in ended.stopped
    assert ended.exit_code == 4
    assert world.acts == ["B84000-firewall"]
    assert set(journal.progress(plan.id).outcomes) == {"B84000-firewall"}


def test_the_second_failure_stops_and_the_first_does_not(journal: Journal) -> None:
    world = some(9, waves=(1, 3, 3))
    plan = world.plan(remedies=["firewall"])
    for name in ("B84002", "B84004"):
        world.machines[name].broken["firewall"] = "access denied"
    ended = apply(world, plan, journal)
    assert (
        list(results(ended).values())
        == ["done"] * 2 + ["failed"] + ["done"] + ["failed"] + ["done"] * 2 + ["skipped"] * 2
    )
    assert "2 gateways failed (B84002, B84004); 1 may" in ended.stopped


def test_failures_stop_further_shards_of_the_same_wave(journal: Journal) -> None:
    world = some(40, waves=(), shard=1)
    plan = replace(world.plan(remedies=["firewall"]), budget=Budget(first_wave=99))
    for machine in world.machines.values():
        machine.broken["firewall"] = "access denied"
    ended = apply(world, plan, journal)
    assert ended.exit_code == 4
    assert len(world.acts) < 10


def test_shards_that_ansibles_words_held_up_are_done_when_the_reading_says_better(journal: Journal) -> None:
    world = some(12, waves=(), shard=1)
    plan = replace(world.plan(remedies=["firewall"]), budget=Budget(first_wave=99))

    def complains(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        return {id: replace(said, result="failed") for id, said in world.act(steps, run_tag).items()}

    ended = apply(world, plan, journal, apply=complains)
    assert set(results(ended).values()) == {"done"}
    assert len(world.acts) == 12


def test_unreachable_gateways_do_not_stop_the_rest(journal: Journal) -> None:
    world = some(5)
    plan = world.plan(remedies=["firewall"])
    for name in ("B84000", "B84001", "B84002"):
        world.machines[name].online = False
    ended = apply(world, plan, journal)
    assert list(results(ended).values()) == ["unreachable"] * 3 + ["done"] * 2
    assert ended.exit_code == 3


def test_the_budget_is_said_before_anything_is_done(journal: Journal) -> None:
    world, said = some(26), list[Happening]()
    apply(world, world.plan(remedies=["firewall"]), journal, notify=said.append)
    assert isinstance(said[0], RunStarted)
    assert said[0].budget == (
        "Stops when the first gateway of the first wave fails or ends unknown, or a second of all 26 fails, or a "
        "second of all 26 refuses the log-in, or a second of all 26 ends unknown; any number that are unreachable "
        "do not stop it."
    )


def test_what_does_not_stop_it_is_said_once_and_not_of_one_gateway() -> None:
    boundless = Budget(failed=None, unreachable=None, refused=None, unknown=None)
    first = "Stops when the first gateway of the first wave fails or ends unknown"
    assert budgets.words(boundless, 5) == (
        f"{first}; any number that fail, are unreachable, refuse the log-in or end unknown do not stop it."
    )
    assert budgets.words(boundless, 1) == f"{first}."


def test_the_budget_counts_each_kind_apart() -> None:
    def outcome(number: int, result: Result) -> Outcome:
        return Outcome(step=f"{number}", gateway=f"{number}", result=result, changed=False, started=AT, ended=AT)

    budget = Budget(failed=1, unknown=1, unreachable=2)
    assert budgets.past(budget, [outcome(1, Result.FAILED), outcome(2, Result.UNKNOWN)], ()) == ""
    assert budgets.past(budget, [outcome(number, Result.UNREACHABLE) for number in range(3)], ())
    assert budgets.past(budget, [outcome(number, Result.UNKNOWN) for number in range(2)], ())
    assert budgets.past(budget, [outcome(1, Result.FAILED), outcome(1, Result.FAILED)], ()) == ""
    assert budgets.past(budget, [outcome(1, Result.UNKNOWN)], ("1",))
