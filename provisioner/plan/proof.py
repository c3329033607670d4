"""What a step leaves on a gateway, as a reading shows it: by this an undo is proved. Pure."""

import hashlib
import json

from provisioner import remedies
from provisioner.model import Evidence, Step
from provisioner.remedies.remedy import UNTOLD


def work_fingerprint(step: Step, evidence: Evidence) -> str:
    """The fingerprint of what a reading shows of a step's own work, and of nothing else on the gateway.

    "" where the reading lacks a section that would show it, or says in it that it cannot tell, and for a role of which
    nobody has said what would show it.
    """
    way = remedies.ways_back().get(step.role)
    if way is None or any(name not in evidence.sections for name in way.sections):
        return ""
    shown = way.shown(evidence.sections, step.values)
    if shown is UNTOLD:
        return ""
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
