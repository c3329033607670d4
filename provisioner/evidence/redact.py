"""One gateway's evidence without what tells whose it is, for a file that may leave the practice.

Nothing is kept because it looks harmless: a text stands in the file only where its field in schema/ says by `x-redact`
what of it may. What is taken away gets a number (`user-1`, `203.0.113.4`), the same one wherever it stands, so that
what was equal stays equal.
"""

import functools
import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from provisioner.evidence import shapes
from provisioner.evidence.serials import FILLERS
from provisioner.model import Evidence
from provisioner.model.product import PRODUCT

_DOCUMENTATION = [
    ipaddress.ip_network(network) for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
# Words of Windows and of this project that say nothing of anybody, whatever a practice is called.
_VOCABULARY = frozenset(
    (
        *("allow", "block", "in", "out", "any", "*", "local", "policy", "mdm", "domain", "private", "public"),
        *("localsubnet", "auto", "delayed", "manual", "disabled", "running", "stopped", "paused", "start_pending"),
        *("stop_pending", "restart", "run_command", "reboot", "none", "console", "remote", "unknown", "x64", "x86"),
        *("arm", "arm64", "normal", "passive", "http", "https", "nt5ds", "ntp", "nosync", "allsync", "system"),
        *("localsystem", "provisioner"),
    )
)
_OURS = frozenset(PRODUCT.open_names)
_TIME_SOURCES = re.compile(r"(?:time\.windows\.com|time\.nist\.gov|pool\.ntp\.org)(?:,0x[0-9a-f]+)?", re.IGNORECASE)
_SYSTEM_ACCOUNT = re.compile(r"(?:NT AUTHORITY|NT SERVICE|BUILTIN)\\[\w ]+", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
_PLACEHOLDER = re.compile(r"(?:account|certificate|file|folder|host|id|name|server|share|user|word)-\d+(?:\.\w{1,4})?")
_NIL = "00000000-0000-0000-0000-"
# What stands here for a GUID, a SID and a MAC address.
_GIVEN = (_NIL, "S-1-5-21-0-0-0-", "02-00-00-00-00-")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PLANS = frozenset(
    (
        "381b4222-f694-41f0-9685-ff5bb260df2e",
        "8c5e7fda-e8bf-4a96-9a85-a6e23a8c635c",
        "a1841308-3541-4fab-bc81-f71556f20b4a",
        "e9a42b02-d5df-448d-aa00-03f14749eb61",
    )
)
_ROOT = re.compile(r"(?:[a-z]:|%[a-z()0-9]+%)", re.IGNORECASE)
_OPEN_ROOTS = ("windows", "program files", "program files (x86)")
_ENDING = re.compile(r"\.(?:bat|cmd|com|dll|exe|ini|jar|json|log|msi|properties|txt|zip)$", re.IGNORECASE)

_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_V6 = re.compile(r"(?<![\w:])(?=[0-9a-f:.]*:[0-9a-f:.]*:)[0-9a-f:]+(?:\.\d+){0,3}(?:%\w+)?(?![\w:])", re.IGNORECASE)
_TELLING: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"S-1-(?:5-21|12-1)(?:-\d+)+"), "sid"),
    (_GUID, "guid"),
    (re.compile(r"[^\s@\\\"'<>|]+@[^\s@\\\"'<>|]+"), "account"),
    (re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![0-9a-f])", re.IGNORECASE), "mac"),
    (re.compile(r"\\\\[^\\\s]+(?:\\[^\\\s]+)?"), "server"),
    (re.compile(r"(?<=\\)(?:Users|Documents and Settings)\\[^\\/:*?\"<>|]+", re.IGNORECASE), "home"),
    (
        re.compile(
            r"(?<![\w-])(?:[\w-]+\.)+(?:uk|com|org|net|local|lan|internal|intra|corp|home|nhs|cymru|wales|scot)(?![\w-])",
            re.IGNORECASE,
        ),
        "host",
    ),
    (re.compile(r"(?<![A-Za-z0-9])[A-Za-z][0-9]{5}(?![0-9])"), "word"),
)


class _Redactor:
    """The numbers that were given out, for one file."""

    def __init__(self, words: Iterable[str], taken: str) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._taken = set(_V4.findall(taken))
        self.folders: tuple[str, ...] = ()
        wanted = {clean(word).strip() for word in words}
        parts = {part for word in wanted for part in re.split(r"[\s\\/@.,'()_-]+", word)}
        # A whole value counts from three letters; of its parts, four, lest every "the" be taken away.
        known = {word for word in wanted if len(word) >= 3} | {word for word in parts if len(word) >= 4}
        known = {word for word in known if word.casefold() not in _VOCABULARY and not _PLACEHOLDER.fullmatch(word)}
        # Addresses have their own rule, and a short number is a port or a version as well.
        known = {word for word in known if not _V4.fullmatch(word) and (len(word) > 5 or not word.isdigit())}
        each = "|".join(re.escape(word) for word in sorted(known, key=len, reverse=True))
        self._words = re.compile(f"(?:{each})", re.IGNORECASE) if each else None

    def number(self, kind: str, value: str) -> str:
        """What stands for a value: always the same for the same one."""
        if _PLACEHOLDER.fullmatch(value):
            return value
        key = kind, value.casefold()
        if key not in self._given:
            count = sum(given == kind for given, _ in self._given) + 1
            shown = {
                "sid": f"S-1-5-21-0-0-0-{count}",
                "guid": f"{_NIL}{count:012d}",
                "mac": f"02-00-00-00-00-{count:02x}",
            }
            self._given[key] = shown.get(kind) or f"{kind}-{count}"
        return self._given[key]

    def text(self, value: str) -> str:
        """A text of a maker's or of Windows' own: what tells of somebody is taken out of it."""
        value = clean(value)
        if value.casefold() in _VOCABULARY | _OURS or _MOMENT.fullmatch(value) or _PLACEHOLDER.fullmatch(value):
            return value
        for pattern, kind in _TELLING:
            value = pattern.sub(lambda found, kind=kind: self._one(kind, found[0]), value)  # type: ignore[misc]
        value = _V6.sub(lambda found: self.address(found[0]), _V4.sub(lambda found: self.address(found[0]), value))
        if self._words:
            value = self._words.sub(lambda found: self.number("word", found[0]), value)
        return value

    def _one(self, kind: str, found: str) -> str:
        if found.startswith(_GIVEN) or found.lower() in _PLANS:
            return found
        if kind == "home":
            folder, _, name = found.partition("\\")
            return found if name.lower() in ("public", "default") else f"{folder}\\{self.number('user', name)}"
        if kind == "server":
            server, *share = found[2:].split("\\", 1)
            return "\\".join(
                ["\\", "", self.number("server", server), *(self.number("share", part) for part in share)][1:]
            )
        return self.number(kind, found)

    def address(self, text: str) -> str:
        """An address: one for documentation in its place."""
        try:
            found = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return text
        mask = found.version == 4 and text.startswith("255.")
        if mask or found.is_loopback or found.is_unspecified or any(found in network for network in _DOCUMENTATION):
            return text
        key = f"v{found.version}", str(found)
        if key not in self._given:
            free = (f"203.0.113.{last}" for last in range(1, 255))
            shown = (
                f"2001:db8::{len(self._given) + 1:x}"
                if found.version == 6
                else next((address for address in free if address not in self._taken), "203.0.113.0")
            )
            self._taken.add(shown)
            self._given[key] = shown
        return self._given[key]

    def path(self, value: str) -> str:
        """A path: in the clear below Windows, the programs and the Connector's own folders, else its shape alone."""
        value = clean(value)
        first, *rest = value.split("\\")
        inner = value.casefold()
        if not value or inner in _VOCABULARY:
            return value
        own = any(inner == folder or inner.startswith(folder + "\\") for folder in self.folders)
        if own or (not rest and _ENDING.search(value)):
            return self.text(value)
        if _ROOT.fullmatch(first) and (first.startswith("%") or (rest and rest[0].casefold() in _OPEN_ROOTS)):
            return self.text(value)
        if not _ROOT.fullmatch(first):
            first, rest = "", value.split("\\")
        parts = [self._part(part, last=number == len(rest)) for number, part in enumerate(rest, 1)]
        return "\\".join(([first] if first else []) + parts)

    def _part(self, name: str, last: bool) -> str:
        if name in ("", "*", "*.*") or name.casefold() == "users":
            return name
        ending = _ENDING.search(name) if last else None
        if ending:
            return self.number("file", name.removesuffix(ending[0])) + ending[0].lower()
        return self.number("folder", name)

    def name(self, value: str) -> str:
        """A name that somebody chose. Names of ours and of Windows' own texts stay."""
        value = clean(value)
        known = value.casefold() in _VOCABULARY | _OURS or re.fullmatch(r"@[\w.%\\-]+\.dll,-\d+", value)
        return value if known or not value else self.number("name", value)

    def account(self, value: str) -> str:
        """An account: Windows' own stay."""
        value = clean(value)
        if not value or value.casefold() in _VOCABULARY or _SYSTEM_ACCOUNT.fullmatch(value):
            return value
        return "\\".join(
            self.number("account" if n else "host", part)
            for n, part in enumerate(value.rsplit("\\", 1), "\\" not in value)
        )

    def rule(self, value: str) -> str:
        """A firewall rule's id: a GUID, or a name."""
        value = clean(value)
        guid = _GUID.fullmatch(value.strip("{}"))
        if guid:
            return value.replace(guid[0], self._one("guid", guid[0]))
        return value if re.fullmatch(r"CoreNet-[\w-]+", value) else self.name(value)

    def guid(self, value: str) -> str:
        """A GUID: the power plans of Windows' own stay."""
        return self._one("guid", clean(value).lower())

    def source(self, value: str) -> str:
        """Where the time comes from."""
        value = clean(value)
        known = value.casefold() in _VOCABULARY or _TIME_SOURCES.fullmatch(value)
        return value if known or not value else self.number("server", value)

    def serial(self, value: str) -> str:
        """A serial number; that a maker left it out is told."""
        value = clean(value)
        return value if value.strip().casefold() in FILLERS else self.number("id", value)

    def version(self, value: str) -> str:
        """A version that looks like an address is one where it is of a kind that networks have inside."""
        value = clean(value)
        address = _V4.match(value) and re.match(r"10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.", value)
        return value if re.fullmatch(r"\d[\d._+-]{0,30}", value) and not address else self.text(value)


def _as(kind: str) -> Callable[[_Redactor, str], str]:
    return lambda redactor, value: redactor.number(kind, value) if value else value


def _digest(_: _Redactor, value: str) -> str:
    return value if re.fullmatch(r"[0-9a-f]{64}", value) else ""


def _no_digest(_: _Redactor, value: str) -> str:
    """Of a file with a practice's code in it: whoever tries all codes would find it."""
    return "0" * 64


Rule = Callable[[_Redactor, str], str]
# What `x-redact` may say of a field in schema/. `hidden-...`: nothing of it is ever left.
RULES: dict[str, Rule] = {
    "account": _Redactor.account,
    "certificate": _as("certificate"),
    "digest": _digest,
    "guid": _Redactor.guid,
    "hidden-digest": _no_digest,
    "hidden-name": _as("name"),
    "host": _as("host"),
    "id": _as("id"),
    "name": _Redactor.name,
    "path": _Redactor.path,
    "rule": _Redactor.rule,
    "serial": _Redactor.serial,
    "source": _Redactor.source,
    "text": _Redactor.text,
    "user": _as("user"),
    "version": _Redactor.version,
}
_QUESTION: dict[str, Rule] = {
    **dict.fromkeys(("endpoints", "systmone.gateway_mark", "product_ids"), _Redactor.text),
    **dict.fromkeys(("folder", "image", "java_home", "files", "systmone.folder"), _Redactor.path),
    **dict.fromkeys(("service", "firewall_name"), _Redactor.name),
}


def clean(text: str) -> str:
    """A text without what hides in it: forms of the same letter are one, and nothing is invisible."""
    shown = unicodedata.normalize("NFKC", text)
    return "".join(
        character for character in shown if unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
    )


def redacted(evidence: Evidence, question: Mapping[str, Any], words: Iterable[str]) -> dict[str, Any]:
    """The file: the settings that were sent and the document that came back, both without what tells whose they are.

    `words`: what is known of the practice and its gateway. What the gateway says of itself is added to them.
    """
    sections = json.loads(json.dumps({name: dict(data) for name, data in evidence.sections.items()}))
    errors = evidence.section_errors
    redactor = _Redactor([*words, *_told(sections)], json.dumps([question, sections]))
    places = (question.get("folder"), question.get("java_home"), question.get("systmone", {}).get("folder"))
    redactor.folders = tuple(clean(place).casefold() for place in places if place)
    asked = _walk(redactor, "", dict(question), _QUESTION) | {"sections": list(question["sections"])}
    answer: dict[str, Any] = {}
    for name in (*sections, *errors):
        milliseconds = round(evidence.section_seconds.get(name, 0) * 1000)
        data = _walk(redactor, name, sections[name], _rules(name)) if name in sections else None
        error = redactor.text(errors[name]) if name in errors else None
        answer[name] = {"ms": milliseconds, "error": error, "data": data}
    return {"about": "", "settings": asked, "answer": {"version": 1, "sections": answer}}


@functools.cache
def _rules(section: str) -> Mapping[str, Rule]:
    """What is done with each text of a section, by its place (connector.files.path): a text of no place is hidden."""
    return dict(_marked(shapes.data(section), section))


def _marked(shape: Mapping[str, Any], at: str) -> Iterator[tuple[str, Rule]]:
    if shape.get("x-redact") in RULES:
        yield at, RULES[shape["x-redact"]]
    for inner in (*shape.get("anyOf", ()), *([shape["items"]] if "items" in shape else ())):
        yield from _marked(inner, at)
    for name, inner in shape.get("properties", {}).items():
        yield from _marked(inner, f"{at}.{name}")


def _told(sections: Mapping[str, Any]) -> list[str]:
    """What a gateway says of itself and of its people, to be found wherever else it stands."""
    identity, account = sections.get("identity") or {}, sections.get("account") or {}
    sessions = (sections.get("users") or {}).get("sessions") or []
    names = [account.get("user"), *(session.get("name") for session in sessions)]
    whole = [*(identity.get(field) for field in ("computer_name", "domain", "serial", "machine_guid")), *names]
    return [text for text in whole if text and text.strip().casefold() not in FILLERS and not _system(text)]


def _system(name: str) -> bool:
    return _SYSTEM_ACCOUNT.fullmatch(name) is not None


def _walk(redactor: _Redactor, at: str, value: Any, rules: Mapping[str, Rule]) -> Any:
    if isinstance(value, dict):
        return {name: _walk(redactor, f"{at}.{name}".lstrip("."), inner, rules) for name, inner in value.items()}
    if isinstance(value, list):
        return [_walk(redactor, at, inner, rules) for inner in value]
    if isinstance(value, str):
        return rules[at](redactor, value) if at in rules else redactor.number("word", value)
    return value
