"""The words of the field, as frozen data, a file a stage. All that travels between the parts is one of these.

No secret is ever a field of any of them. Times are timezone-aware UTC, durations are seconds.
"""

from provisioner.model.audit import Audit, Cause, Control, Finding, Impact, Status
from provisioner.model.evidence import Evidence, Fact, Problem
from provisioner.model.fleet import FileTemplate, Fleet, Gateway, Role, Statement, Waiver
from provisioner.model.outcome import FINISHED, Outcome, Reason, Result
from provisioner.model.plan import Budget, Change, Gap, Move, Plan, Step, Timing, Wave

__all__ = [
    "FINISHED",
    "Audit",
    "Budget",
    "Cause",
    "Change",
    "Control",
    "Evidence",
    "Fact",
    "FileTemplate",
    "Finding",
    "Fleet",
    "Gap",
    "Gateway",
    "Impact",
    "Move",
    "Outcome",
    "Plan",
    "Problem",
    "Reason",
    "Result",
    "Role",
    "Statement",
    "Status",
    "Step",
    "Timing",
    "Waiver",
    "Wave",
]
