"""What a person sees of a plan before they approve it: what, where, how many, when, the way back. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from provisioner.model import Plan
from provisioner.report import words

# So many gateways have a line each; of more the document has all, and the screen says where they are.
MOST = 12
_KINDS: Mapping[str, str] = {
    "rollout": "Rollout",
    "migration": "Move of a gateway to another PC",
    "finish": "End of a move: the old PC is retired",
    "undo": "Way back",
}


def lines(plan: Plan, hours: Mapping[str, str], maker: str) -> tuple[str, ...]:
    """All but the places, a line each. `hours` are the gateways'; `maker` made the plan."""
    return tuple(_lines(plan, hours, maker))


def places(plan: Plan, hours: Mapping[str, str]) -> tuple[str, ...]:
    """Each gateway, where it is, when it may be touched, and what is done there, a line each."""
    found = []
    for gateway in dict.fromkeys(step.gateway for step in plan.steps):
        practice, address = plan.places.get(gateway, ("", ""))
        its = ", ".join(words.change(step) for step in plan.steps if step.gateway == gateway and step.kind != "person")
        when = hours.get(gateway, "") or "any time"
        found.append(f"Where: {gateway} of {practice} at {address} ({when}): {its or 'a person acts'}")
    return tuple(found)


def _lines(plan: Plan, hours: Mapping[str, str], maker: str) -> Iterator[str]:
    acts = [step for step in plan.steps if step.kind != "person"]
    persons = len(plan.steps) - len(acts)
    of = f" from {plan.of}" if plan.of else ""
    made = f"made {words.when(plan.at)} by {maker or 'nobody knows whom'}"
    yield f"{_KINDS.get(plan.kind, plan.kind)}{of}: {plan.id}, {made}"
    kinds = Counter(words.change(step) for step in acts)
    yield f"What: {', '.join(f'{kind} ({count})' for kind, count in kinds.most_common())}"
    gateways = dict.fromkeys(step.gateway for step in plan.steps)
    waves = ", ".join(str(len({step.gateway for step in wave.steps})) for wave in plan.waves)
    by_persons = f", {words.counted(persons, 'of them')} a person's" if persons else ""
    if plan.part:
        yield f"Only a part: {plan.part}"
    yield (
        f"How many: {words.counted(len(plan.steps), 'step')}{by_persons} on {words.counted(len(gateways), 'gateway')}, "
        f"in {words.counted(len(plan.waves), 'wave')} ({waves}); about {words.duration(_seconds(plan))} of work"
    )
    for text, many in Counter(hours.values()).most_common():
        yield f"When: {text or 'at any time'} ({words.counted(many, 'gateway')})"
    yield from (f"Way back: {kind}: {back}" for kind, back in _back(plan).items())
    for owner, count in Counter(gap.owner for gap in plan.gaps).most_common():
        yield f"Not done by it: {words.counted(count, 'gap')} for {words.owner(owner)}"


def on_screen(shown: Sequence[str], places: Sequence[str], plan: str) -> list[str]:
    """Both where a person looks at it: not more gateways than a screen holds."""
    more = len(places) - MOST
    rest = [f"Where: and {more} more: provisioner report {plan} --as html --output change.html"] if more > 0 else []
    return [*shown[:2], *places[:MOST], *rest, *shown[2:]]


def _seconds(plan: Plan) -> float:
    """The steps of one gateway follow each other, and the gateways of a wave go together."""
    total = 0.0
    for wave in plan.waves:
        by_gateway: Counter[str] = Counter()
        for step in wave.steps:
            by_gateway[step.gateway] += round(step.seconds)
        total += max(by_gateway.values(), default=0)
    return total


def _back(plan: Plan) -> dict[str, str]:
    """The way back of each kind of change, in words."""
    # Here, because of an approval that is there only the places are looked at.
    from provisioner import remedies

    known = remedies.known()
    found: dict[str, str] = {}
    for step in plan.steps:
        remedy = known.get(step.remedy)
        if remedy is None or step.kind == "person":
            continue
        risk = remedy.removal.risk if step.removes and remedy.removal else remedy.risk
        found.setdefault(words.change(step), risk.back)
    return found
