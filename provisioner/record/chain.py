"""The hashes that an auditor can compute again without us: of a reading, and of each event of the journal. Pure.

An event's hash covers the hash of the event before it, so that none can be changed, added or taken away unseen.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from provisioner.model import Evidence, adapters

# What stands before the first event.
START = "0" * 64

_HASHED = ("seq", "at", "kind", "plan", "step", "gateway", "body")


@dataclass(frozen=True, kw_only=True)
class Link:
    """One event as it stands in the chain: time and body are the very text that was hashed."""

    seq: int
    at: str
    kind: str
    plan: str
    step: str
    gateway: str
    body: str
    before: str
    hash: str

    @property
    def whole(self) -> bool:
        """Whether its hash is that of what it says."""
        return self.hash == event_hash(self.before, asdict(self))

    @property
    def said(self) -> Mapping[str, Any]:
        """Its body, taken apart. Errors: ValueError where it is no JSON object."""
        body = json.loads(self.body)
        if not isinstance(body, dict):
            raise ValueError(f"event {self.seq} has a body of another kind")
        return body


def event_hash(before: str, event: Mapping[str, Any]) -> str:
    """The SHA-256 of the hash before the event and a JSON list of its seq, at, kind, plan, step, gateway and body."""
    return sha256(before + json.dumps([event[name] for name in _HASHED]))


def canonical(evidence: Evidence) -> str:
    """A reading as the one JSON text that is hashed: keys sorted, ASCII, no blanks between."""
    # Once round, so that a whole number where a fraction belongs is written as it will be when read again.
    plain = adapters.read(Evidence, adapters.plain(Evidence, evidence))
    document = adapters.plain(Evidence, plain)
    if document["error"] and not document["error"]["absent"]:
        # A reading that was kept before there was this field keeps its hash.
        del document["error"]["absent"]
    return canonical_json(document)


def canonical_json(document: Any) -> str:
    """Any JSON document in that form."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def read(text: str) -> Evidence:
    """A reading from its canonical JSON. Errors: ValueError where it is none."""
    return adapters.read(Evidence, json.loads(text))


def sha256(text: str) -> str:
    """64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()
