"""Why one cannot get into a gateway, by what came back: what is said of it, and what to do next. Tables, mostly.

Of each trouble it is told whether nothing accepted a connection (`absent`): only then can the PC be switched off, and
only then does a person's statement that it is fence its Connector (plan/guards.py). Whatever answers in any way is on.
Numbers are used where there are any: a gateway's words are in the language of its Windows. Where they come from:
docs/windows.md, "What a gateway says when it does not let one in".
"""

from provisioner.transport.diagnosis.faults import BROKE, NOT_TRIED, REFUSED, broke, fault, rejected, unmarked, waited
from provisioner.transport.diagnosis.lines import (
    breaking,
    connecting,
    late,
    securing,
    silent,
    status,
    too_much,
    trickling,
)
from provisioner.transport.diagnosis.logins import clock_apart, no_challenge, not_offered, refused
from provisioner.transport.diagnosis.shape import LARGEST_SKEW, SLOW, Diagnosis, plain
from provisioner.transport.diagnosis.tickets import kerberos, no_key, no_ticket, ticket_over

__all__ = [
    "BROKE", "LARGEST_SKEW", "NOT_TRIED", "REFUSED", "SLOW", "Diagnosis", "breaking", "broke", "clock_apart",
    "connecting", "fault", "kerberos", "late", "no_challenge", "no_key", "no_ticket", "not_offered", "plain", "refused",
    "rejected", "securing", "silent", "status", "ticket_over", "too_much", "trickling", "unmarked", "waited",
]  # fmt: skip
