"""What stands of a step that several runs came by: what was done to it, by whom, and how it looked since. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner.model import Outcome, Reason, Result, adapters

# Who began it, and that it is as planned now, is all that is known of these: the reading came later than the run.
_PROVED_LATER = (Result.WAITING, Result.UNKNOWN, Result.UNREACHABLE, Result.REFUSED)
_WELL = (Result.DONE, Result.UNDONE)


@dataclass(frozen=True, kw_only=True)
class Stands:
    """What stands of one step.

    `outcome` is how it ended when the plan last acted on it (`acted`), or else its last end; `by` is who ran that, as
    user@machine pid N. `again` is the last time since then that it was only looked at, and `again_by` who did; None
    where nobody has.
    """

    outcome: Outcome
    by: str
    acted: bool
    again: Outcome | None = None
    again_by: str = ""

    @property
    def result(self) -> Result:
        """What is to be said of the step as a whole: what was done stays done, whatever a later look found."""
        if self.again is None or self.outcome.result in _WELL:
            return self.outcome.result
        proved = self.again.result is Result.UNCHANGED and self.outcome.result in _PROVED_LATER
        return Result.DONE if proved else self.again.result

    @property
    def message(self) -> str:
        """What was said where the result comes from."""
        return self._telling.message

    @property
    def reason(self) -> Reason:
        """Why, where something depends on it."""
        return self._telling.reason

    @property
    def _telling(self) -> Outcome:
        return self.outcome if self.again is None or self.outcome.result in _WELL else self.again

    @property
    def holds(self) -> bool:
        """Whether the last look found nothing against it."""
        return self.again is None or self.again.result in (Result.UNCHANGED, *_WELL)


def stands(happened: Iterable[tuple[str, str, Mapping[str, Any]]]) -> dict[str, Stands]:
    """What stands of each step of one plan, from (kind, step, body) of its events run_started, step_started and
    step_ended, oldest first; other events are passed over.

    Errors: ValueError where an outcome is not one.
    """
    found: dict[str, Stands] = {}
    begun: set[str] = set()
    by = ""
    for kind, step, body in happened:
        if kind == "run_started":
            by = str(body.get("by", ""))
        elif kind == "step_started":
            begun.add(step)
        elif kind == "step_ended":
            outcome = adapters.read(Outcome, body)
            acted = step in begun and not outcome.untouched
            begun.discard(step)
            so_far = found.get(step)
            if so_far and so_far.acted and not acted:
                found[step] = replace(so_far, again=outcome, again_by=by)
            else:
                # What a person did, and a reading shows, was never begun by us.
                found[step] = Stands(outcome=outcome, by=by, acted=acted or outcome.result in _WELL)
    return found
