"""What a person says who approves a plan: a text that can be read and signed, valid for that plan alone. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from provisioner.report import words
from provisioner.report.envelope import VERSION, document


@dataclass(frozen=True, kw_only=True)
class Approval:
    """What is approved, by whom, for when.

    `sha256` is that of the plan as the journal's chain has it, `journal` the journal's id and `fleet` the folder;
    `outside_hours`: `apply --now` is covered; `way_back`: the plan's own undo is too. `shown` is what the person saw
    before, but for the gateways with their hours, of which `places` is the SHA-256: it stands in the record of each
    practice, where no other is named.
    """

    plan: str
    sha256: str
    journal: str
    fleet: str
    account: str
    name: str
    begins: datetime
    ends: datetime
    places: str
    outside_hours: bool = False
    way_back: bool = False
    ticket: str = ""
    words: str = ""
    shown: tuple[str, ...] = ()

    @property
    def covers(self) -> Mapping[str, Any]:
        """All of it that is not the person's own to say."""
        own = {"begins", "ends", "outside_hours", "way_back", "ticket", "words"}
        return {key: value for key, value in vars(self).items() if key not in own}


@dataclass(frozen=True, kw_only=True)
class Proof:
    """An approval as the journal keeps it: the very `text` that was signed, the `signature` in base64 ("" where it was
    given by an account of this machine), the public `key` by which it was right, who noted it (`by`) and by which
    `accounts`."""

    text: str
    signature: str = ""
    key: str = ""
    by: str = ""
    accounts: Sequence[int] = field(default=())

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """From the body of its event. Errors: ValueError where that is none."""
        try:
            return cls(
                text=str(body["text"]), signature=str(body["signature"]), key=str(body["key"]), by=str(body["by"]),
                accounts=tuple(int(uid) for uid in body["accounts"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("it is no approval") from error


def text(approval: Approval) -> str:
    """The text that is signed: JSON that a person can read."""
    body = {
        "approval_of": approval.plan,
        "by": approval.name,
        "account": approval.account,
        "from": words.utc(approval.begins),
        "until": words.utc(approval.ends),
        "ticket": approval.ticket,
        "words": approval.words,
        "outside_hours": approval.outside_hours,
        "way_back": approval.way_back,
        "shown": list(approval.shown),
        "fleet": approval.fleet,
        "journal": approval.journal,
        "plan_sha256": approval.sha256,
        "places_sha256": approval.places,
    }
    return document(body) + "\n"


def read(given: str) -> Approval:
    """An approval from its text. Errors: ValueError, in words, where it is none."""
    try:
        said = json.loads(given)
        if said["version"] != VERSION:
            raise ValueError("it is of another version of provisioner")
        return Approval(
            plan=_text(said["approval_of"]), sha256=_text(said["plan_sha256"]), journal=_text(said["journal"]),
            fleet=_text(said["fleet"]), account=_text(said["account"]), name=_text(said["by"]),
            begins=_time(said["from"]), ends=_time(said["until"]),
            places=_text(said["places_sha256"]),
            outside_hours=said["outside_hours"] is True, way_back=said["way_back"] is True,
            ticket=_text(said["ticket"]), words=_text(said["words"]), shown=tuple(map(_text, said["shown"])),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError("it is no approval") from error


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError(given)
    return given


def _time(given: object) -> datetime:
    found = datetime.fromisoformat(_text(given))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
