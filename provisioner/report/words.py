"""The words that all reports share, and the cleaning of text that came from a gateway."""

import functools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from provisioner.model import Audit, Cause, Control, Gateway, Plan, Result, Status, Step

OWNERS: Mapping[str, str] = MappingProxyType(
    {
        "practice": "the practice",
        "icb-it": "ICB IT",
        "desktop": "the desktop team",
        "network": "the network team",
        "antivirus": "the antivirus team",
        "vendor": "the vendor",
        "tpp": "TPP",
        "security": "the security team",
    }
)

STATUSES: Mapping[Status, str] = MappingProxyType(
    {
        Status.PASSED: "passed",
        Status.FAILED: "failed",
        Status.UNKNOWN: "cannot tell",
        Status.NOT_APPLICABLE: "does not apply",
        Status.WAIVED: "waived",
        Status.ERROR: "could not be read",
    }
)

RESULTS: Mapping[Result, str] = MappingProxyType(
    {
        Result.DONE: "done",
        Result.UNCHANGED: "unchanged",
        Result.FAILED: "failed",
        Result.UNREACHABLE: "could not be reached",
        Result.REFUSED: "the log-in was refused",
        Result.UNKNOWN: "how it ended is not known",
        Result.STALE: "refused: not as planned any more",
        Result.WAITING: "waiting",
        Result.UNDONE: "undone",
        Result.SKIPPED: "skipped",
    }
)

# Control characters (a terminal obeys some, XML forbids most), lone surrogates, which no file can hold, the marks
# that turn the direction of writing round, with which a text can pretend to be another, and the two non-characters.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
# Excel takes the full-width signs for the plain ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def clean(text: str) -> str:
    """Text as any report can hold it: what is unfit becomes U+FFFD, and CRLF a line feed."""
    # Nearly all is printable but for its lines: then none of it is unfit, and to ask is quicker than to look.
    if text.isprintable() or text.replace("\n", "").isprintable():
        return text
    return _UNFIT.sub("\ufffd", text.replace("\r\n", "\n"))


def clip(text: str, most: int) -> str:
    """At most that many characters, and how many there were."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters in all)"


def owner(name: str) -> str:
    """A team as people call it."""
    return OWNERS.get(name, name)


def brief(owner: str) -> str:
    """A team in a column: `network` for the network team."""
    return owner.removeprefix("a ").removeprefix("the ").removesuffix(" team")


def whose(item: Control | Cause) -> str:
    """Whose job it is, in words."""
    return f"a plan ({item.remedy})" if item.remedy else owner(item.owner)


def change(step: Step) -> str:
    """What a step does, by its remedy: to bring it, or to take it away."""
    return f"remove {step.remedy}" if step.removes else step.remedy


def when(at: datetime, *, seconds: bool = False) -> str:
    """A time as a clock in a British practice shows it: Monday 23 November 2026, 20:15 GMT."""
    there = _there(at)
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return there.strftime(f"%A {there.day} %B %Y, {clock} %Z")


def until(at: datetime, now: datetime, *, seconds: bool = False) -> str:
    """A time that is waited for, as that clock shows it: 22:00 GMT; with its day where that is another: Tue 1 Dec,
    06:00 GMT."""
    there = _there(at)
    day = "" if there.date() == _there(now).date() else f"{there:%a} {there.day} {there:%b}, "
    return f"{day}{there.strftime('%H:%M:%S %Z' if seconds else '%H:%M %Z')}"


def short(at: datetime) -> str:
    """The same in a table: 23 Nov 2026 20:15:07."""
    return f"{_there(at):%d %b %Y %H:%M:%S}"


def _there(at: datetime) -> datetime:
    try:
        return at.astimezone(ZoneInfo("Europe/London"))
    except ZoneInfoNotFoundError:
        return at.astimezone(UTC)


def utc(at: datetime) -> str:
    """A time for other programs: 2026-11-23T20:15:00Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """About how long: 40 s, 12 min, 1 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: int) -> str:
    """Bytes as people say them: 61.5 MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def counted(number: int, one: str, many: str = "") -> str:
    """1 gateway, 2 gateways."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def part(audit: Audit) -> str:
    """Of how many of the fleet's gateways an audit is: `5 of 26 gateways`; "" where of all."""
    return part_of(audit.gateways, len(audit.left_out or {}))


def part_of(gateways: Iterable[Gateway], left: int, where: str = "") -> str:
    """The same of these gateways, where so many more were left out."""
    asked = sum(one.known for one in gateways)
    return f"{asked:,} of {counted(asked + left, 'gateway')}{where}" if left else ""


def only(part: str) -> str:
    """How a sentence about a part begins; "" where it is about all."""
    return f"Only a part, {part}: " if part else ""


# Of a hundred thousand findings of seventeen cells each, nearly all say what others do.
@functools.lru_cache(maxsize=4096)
def cell(text: str) -> str:
    """A cell that a spreadsheet shows and never computes: a dangerous beginning gets an apostrophe before it."""
    dangerous = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return clean(f"'{text}" if dangerous else text)


def command(plan: Plan) -> str:
    """The command that does a plan, or goes on with it."""
    if plan.move:
        return f"provisioner migrate {'start' if plan.kind == 'migration' else plan.kind} {plan.move.practice}"
    return f"provisioner undo {plan.of}" if plan.kind == "undo" else f"provisioner apply {plan.id}"
