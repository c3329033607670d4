"""The faults that a pretend gateway can have, by name, and how they are written: NAME or NAME=VALUE."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from provisioner.errors import LabError, suggest
from provisioner.lab.windows.hosts import KINDS


@dataclass(frozen=True)
class Known:
    """A fault: what it does in a sentence, and which value it takes ("" if none)."""

    sentence: str
    value: str = ""


_GARBAGE = (
    "empty", "cut", "html", "notjson", "huge", "codepage", "formulas", "surrogate", "control", "numbers", "nan", "deep",
)  # fmt: skip
_DROPS = ("before", "after")
_DRIPS = ("body", "status", "headers", "continue", "chunks", "trailers", "login")
_STATUSES = ("407", "502", "503", "504")
_TRANSPORTS = ("kerberos", "negotiate", "basic")

KNOWN: Mapping[str, Known] = {
    "offline": Known("Every connection is closed at once."),
    "slow": Known("Every command takes so much longer, 30 seconds if not said.", "seconds"),
    "hangs": Known("It takes connections and says nothing; or nothing only to the log-in itself.", "login"),
    "drips": Known(
        "Its answer comes a few bytes at a time and never ends: in the body if not said, or earlier; or only that to "
        "the log-in itself.",
        "|".join(_DRIPS),
    ),
    "proxy": Known("Something in between answers instead, with 503 if not said.", "|".join(_STATUSES)),
    "refuses_login": Known("Every log-in is refused, the right one too."),
    "locked_account": Known("The account is locked there: refused like a wrong password, as NTLM has it."),
    "wrong_transport": Known("It offers one way of logging in only, kerberos if not said.", "|".join(_TRANSPORTS)),
    "no_rights": Known("The account is let in, and is no administrator."),
    "drops_midway": Known(
        "The line breaks while a command runs: at every command, or only where a module would change something, "
        "before that or after it.",
        "|".join(_DROPS),
    ),
    "garbage": Known("A reading is answered with something else than evidence.", "|".join(_GARBAGE)),
    "shell_quota": Known("No shell can be opened: too many are open already."),
    "disk_full": Known("Drive C has no room left."),
    "reboot_pending": Known("Windows waits for a restart."),
    "wrong_machine": Known("Another PC answers at this address.", "computer name"),
    "tamper_protection": Known("Defender's exclusions are protected against change."),
    "third_party_antivirus": Known("Another antivirus than Defender is in charge.", "product"),
    "policy_overrides_firewall": Known("Group Policy does not let local firewall rules apply."),
    "network_blocks_endpoint": Known("The network does not let an endpoint through, or none of them.", "address"),
    "clock_skew": Known("The clock is wrong by so much, 900 seconds if not said; HTTP says so too.", "seconds"),
    "service_hangs": Known("A service that is being started or stopped stays so."),
    "service_will_not_start": Known("The Connector's service cannot be started."),
    "slow_installer": Known("An installer takes so long, 20 seconds if not said.", "seconds"),
    "systmone": Known(
        "Who is logged in to SystmOne there: by the Gateway shortcut, as on any PC, or nobody.", "gateway|client|off"
    ),
    "runs_by": Known("From now on another host runs the Connector there, without rule and exclusion.", "|".join(KINDS)),
    "no_approve": Known("Nobody presses Approve in SystmOne."),
}


def parse(words: Iterable[str]) -> list[tuple[str, str]]:
    """Names and values of `NAME` and `NAME=VALUE`; `none` stays as it is: it takes all faults away.

    Errors: LabError for an unknown name, with the nearest one, or a value that does not fit.
    """
    return [_parse(word) for word in words]


def apply(words: Iterable[str], faults: Mapping[str, str]) -> dict[str, str]:
    """The faults after `lab set`: those that were there, and the given ones; `none` takes all before it away."""
    after = dict(faults)
    for name, value in parse(words):
        if name == "none":
            after.clear()
        else:
            after[name] = value
    return after


def seconds(value: str, default: float) -> float:
    """The number of a fault that takes seconds."""
    return float(value) if value else default


def _parse(word: str) -> tuple[str, str]:
    name, equals, value = word.strip().partition("=")
    name = name.strip().lower().replace("-", "_")
    if name == "none" and not equals:
        return name, ""
    known = KNOWN.get(name)
    if known is None:
        hint = suggest(name, KNOWN) or f"Known are: {', '.join(KNOWN)}."
        raise LabError(f"The lab knows no fault {name or word!r}.", hint)
    if equals and not known.value:
        raise LabError(f"The fault {name} takes no value, not {value!r}.", known.sentence)
    if value and not _FITS.get(name, _any)(value):
        raise LabError(f"The fault {name} cannot be {value!r}.", f"It takes {known.value}. {known.sentence}")
    return name, value


def _any(value: str) -> bool:
    return True


def _is_seconds(value: str) -> bool:
    try:
        return 0 <= float(value) < float("inf")
    except ValueError:
        return False


def _is_number(value: str) -> bool:
    return _is_seconds(value.removeprefix("-"))


_FITS: Mapping[str, Callable[[str], bool]] = {
    "slow": _is_seconds,
    "slow_installer": _is_seconds,
    "clock_skew": _is_number,
    "garbage": _GARBAGE.__contains__,
    "systmone": ("gateway", "client", "off").__contains__,
    "runs_by": KINDS.__contains__,
    "drops_midway": _DROPS.__contains__,
    "hangs": "login".__eq__,
    "drips": _DRIPS.__contains__,
    "proxy": _STATUSES.__contains__,
    "wrong_transport": _TRANSPORTS.__contains__,
}
