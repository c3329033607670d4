"""A plan in a terminal: a line a gateway, by waves, and whose job the rest is. Pure."""

from collections import Counter
from collections.abc import Mapping

from provisioner.model import Gap, Plan, Step
from provisioner.report import words
from provisioner.report.folding import WIDE, flat, folded, hanging, pad


def plan(plan: Plan, names: Mapping[str, str], width: int) -> list[str]:
    """Its lines, none wider than `width`: the steps at each gateway, and about how long; then what no step mends.
    `names` are those of the practices."""
    part = words.only(plan.part)
    if not plan.steps:
        return [*folded(f"{part}nothing to change." if part else "Nothing to change.", width), *_gaps(plan, width)]
    gateways = len({step.gateway for step in plan.steps})
    counts = (
        words.counted(len(plan.steps), "step"),
        words.counted(gateways, "gateway"),
        words.counted(len(plan.waves), "wave"),
    )
    column = min(max(len(flat(step.gateway)) for step in plan.steps), max(width // 3, 8))
    lines = folded(part + "{} on {}, in {}.".format(*counts), width)
    for wave in plan.waves:
        of: dict[str, list[Step]] = {}
        for step in wave.steps:
            of.setdefault(step.gateway, []).append(step)
        seconds = max(sum(step.seconds for step in steps) for steps in of.values())
        title = f"Wave {wave.number}, {words.counted(len(of), 'gateway')}, about {words.duration(seconds)} each:"
        lines += ["", *folded(title, width)]
        for gateway, steps in of.items():
            name = f"{pad(flat(names.get(steps[0].practice, '')), 26)}  " if width >= WIDE else ""
            what = flat(", ".join(map(_step, steps)))
            lines += hanging(f"  {pad(flat(gateway), column)}  {name}", what, width)
    return [*lines, *_gaps(plan, width)]


def _step(step: Step) -> str:
    return f"{step.remedy} (by {words.owner(step.who)})" if step.kind == "person" else words.change(step)


def _what(gap: Gap) -> str:
    """What is not done there: a control, or the step of a way back, which is told with its gateway."""
    if gap.control == "read":
        return "not read" if gap.gateway else "its PC is not known yet"
    return gap.control.removeprefix(f"{gap.gateway}-")


def _gaps(plan: Plan, width: int) -> list[str]:
    if not plan.gaps:
        return []
    lines = ["", *folded("Not done by this plan, and whose job it is:", width)]
    for owner in sorted({gap.owner for gap in plan.gaps}):
        gaps = [gap for gap in plan.gaps if gap.owner == owner]
        controls = Counter(map(_what, gaps))
        # One that is not known yet has no name.
        gateways = len({(gap.practice, gap.gateway) for gap in gaps})
        named = ", ".join(f"{control} ({count})" for control, count in controls.most_common())
        lines += folded(f"  {words.brief(words.owner(owner))} at {gateways:,}: {named}", width)
    return lines
