"""An audit as CSV: one row a finding. It opens in Excel as it is, and nothing in it is a formula."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from provisioner.model import Audit, Cause
from provisioner.report import view, words

COLUMNS = (
    "audit",
    "at",
    "practice",
    "practice_name",
    "gateway",
    "role",
    "ready",
    "control",
    "requirement",
    "title",
    "impact",
    "status",
    "expected",
    "actual",
    "message",
    "whose_job",
    "part",
)

# How many characters are written at once.
_PIECE = 100_000


def audit(audit: Audit, ready: Mapping[str, bool], causes: Sequence[Cause] = ()) -> str:
    """The whole of it."""
    return "".join(pieces(audit, ready, causes))


def pieces(audit: Audit, ready: Mapping[str, bool], causes: Sequence[Cause] = ()) -> Iterator[str]:
    """One row a finding, with byte-order mark and CRLF: write it as UTF-8, newlines untouched. `part` says of how many
    gateways the audit is, where not of all."""
    controls = {control.id: control for control in audit.controls}
    gateways = {gateway.name: gateway for gateway in audit.gateways}
    part, first, at = words.part(audit), view.not_by_a_plan(causes), words.utc(audit.at)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield "\ufeff"
    for finding in audit.findings:
        gateway, control = gateways[finding.gateway], controls[finding.control]
        row = (
            audit.id,
            at,
            gateway.practice,
            gateway.practice_name,
            gateway.name,
            gateway.role,
            "yes" if ready.get(gateway.name, False) else "no",
            control.id,
            control.requirement,
            control.title,
            control.impact,
            finding.status,
            finding.expected,
            finding.actual,
            finding.message,
            words.owner(whose) if (whose := first.get((gateway.name, control.id))) else words.whose(control),
            part,
        )
        writer.writerow(map(words.cell, row))
        if text.tell() > _PIECE:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
