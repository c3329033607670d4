"""What an audit keeps of gateways while it reads others: little of each, for there are thousands."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from provisioner.audit import evaluate
from provisioner.audit.identities import Identities
from provisioner.journal import Journal
from provisioner.journal.known import Held, held
from provisioner.model import Evidence, Fact, Gateway, Status, packed
from provisioner.model.audit import Verdict
from provisioner.model.controls import IDENTITY

# A named person's waiver accepts another PC in the old one's place, and a statement one that cannot be told from it:
# from then on it is the one that was seen.
_ACCEPTED = (Status.PASSED, Status.WAIVED, Status.UNKNOWN)
IDENTITY_KEYS = ("computer_name", "serial", "machine_guid")

# A gateway's reading, the facts that are known by it, and what each control came to.
Came = tuple[Evidence, Mapping[str, Fact], tuple[Verdict, ...]]


class Kept:
    """Gateways as they came, by name, their large parts packed."""

    def __init__(self, practices: Iterable[Iterable[Came]]) -> None:
        self.evidence: dict[str, Evidence] = {}
        self.facts: dict[str, Mapping[str, Fact]] = {}
        self.verdicts: dict[str, tuple[Verdict, ...]] = {}
        common = b""
        for practice in practices:
            for one, known, verdicts in practice:
                document = packed.document(one, known)
                if not (common or one.error):
                    common = packed.common(document)
                small = packed.apart(one, packed.pack(document, common), common)
                self.evidence[one.gateway], self.facts[one.gateway] = small
                self.verdicts[one.gateway] = verdicts


class Memory:
    """What the next reading of these `rows` is held against: `seen`, the identities as last seen, and endpoints as
    measured, kept only of PCs that are the ones they should be; and `identities`, which row takes which PC."""

    def __init__(self, journal: Journal, rows: Iterable[Gateway]) -> None:
        self._journal = journal
        self.seen, self._taken = journal.seen(), journal.seen("taken")
        self.identities = Identities(rows, self.seen, self._taken)
        self._taking: dict[str, dict[str, str]] = {}
        self._new: dict[str, dict[str, str]] = {}
        self._measured: dict[str, tuple[datetime, Held]] = {}

    def note(self, evidence: Iterable[Evidence], verdicts: Mapping[str, Iterable[Verdict]]) -> None:
        """Note what these gateways said, if what they came to lets it count."""
        for one in evidence:
            right, seen = any(map(_is_right, verdicts[one.gateway])), self.seen.get(one.gateway, {})
            # What was right when it was read first may not be, once another row's PC was read.
            self._new.pop(one.gateway, None)
            self._measured.pop(one.gateway, None)
            if "identity" in one.sections:
                identity = {key: str(one.sections["identity"][key] or "") for key in IDENTITY_KEYS}
                if right and seen != identity:
                    self._new[one.gateway] = seen = identity
                taken = identity if self.identities.takes(one.gateway) else {}
                if taken != self._taken.get(one.gateway, seen):
                    self._taking[one.gateway] = taken
            if right and "endpoints" in one.sections:
                self._measured[one.gateway] = (one.taken_at, held(one.sections["endpoints"]))

    def keep(self) -> None:
        """Write down what was noted."""
        self._journal.see(self._new, datetime.now(UTC))
        self._journal.see(self._taking, datetime.now(UTC), "taken")
        self._journal.keep_endpoints(self._measured)


def _is_right(verdict: Verdict) -> bool:
    """Whether it says that the PC is the one that it should be."""
    return verdict.control == IDENTITY and verdict.status in _ACCEPTED and not evaluate.is_open(verdict)
