"""An audit for a pipe: a header line, then a line a gateway, its cells apart by a tab. Pure."""

from collections import Counter
from collections.abc import Iterator

from provisioner.report import words
from provisioner.report.folding import flat
from provisioner.report.view import PLAN, Kind, Machine, State, View

COLUMNS = (
    "practice", "gateway", "name", "role", "state", "plan", "others", "cannot_tell", "advice", "error", "audit", "part"
)  # fmt: skip


def audit(shown: View) -> Iterator[str]:
    """Its lines, without their ends. No cell has a tab or a line break in it, or begins as a formula does.

    `state` is ready, unready, unread, candidate, retired, off or notknown. `plan` are the remedies that a plan would
    bring, apart by commas; `others` what somebody has to do first, as `network: R14-reachable; practice: R9-screen?`,
    where ? is what the gateway could not tell. The two numbers are of findings. `part` says of how many gateways the
    audit is, where not of all.
    """
    yield "\t".join(COLUMNS)
    for machine in shown.machines:
        yield "\t".join(words.cell(flat(one)) for one in (*_cells(machine), shown.audit.id, shown.part))


def _cells(machine: Machine) -> tuple[str, ...]:
    gateway, kinds = machine.gateway, Counter(row.kind for row in machine.open)
    error = machine.evidence.error if machine.evidence and machine.state is State.UNREAD else None
    remedies = dict.fromkeys(row.control.remedy for row in machine.missing.get(PLAN, ()))
    others = "; ".join(
        f"{words.brief(whose)}: {', '.join(row.control.id + '?' * (row.kind is Kind.ASK) for row in rows)}"
        for whose, rows in machine.missing.items()
        if whose != PLAN
    )
    return (
        gateway.practice,
        gateway.name if gateway.known else "",
        gateway.practice_name,
        gateway.role,
        machine.state,
        ",".join(remedies),
        others,
        str(kinds[Kind.ASK]),
        str(kinds[Kind.ADVICE]),
        str(error) if error else "",
    )
