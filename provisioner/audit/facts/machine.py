"""Facts about the PC: what it is built of, whether it stays awake."""

import math
from datetime import UTC, datetime
from typing import Any

from provisioner.audit.facts.context import CannotTell, FactContext, FactOf, listed, problems

_GIB = 1024**3

# Nominal 2 GHz parts report 1992 or 1996 MHz.
_TWO_GHZ = 2000 * 0.99


def _account(reading: FactContext) -> str:
    return str(reading.section("account")["user"])


def _administrator(reading: FactContext) -> str | list[str]:
    account = reading.section("account")
    if not account["administrator"]:
        return ["the account that connects is no administrator of this PC"]
    return problems([] if account["elevated"] else ["the account that connects is an administrator, but not elevated"])


def _cpu(reading: FactContext) -> str | list[str]:
    cores = reading.value("hardware", "logical_cores", "how many processor cores it has")
    if cores < 2:
        return ["one processor core"]
    clock = reading.value("hardware", "clock_mhz", "its processor's clock")
    if clock >= _TWO_GHZ:
        return problems([])
    if cores > 2:
        raise CannotTell(f"{_cores(reading)}: whether that is equivalent to two cores at 2 GHz is for a person to say")
    return [_cores(reading)]


def _cores(reading: FactContext) -> str:
    cores = reading.value("hardware", "logical_cores", "how many processor cores it has")
    clock = reading.section("hardware")["clock_mhz"]
    return f"{cores} core{'s' if cores > 1 else ''}" + (f" at {clock / 1000:.2f} GHz" if clock else "")


def _floor(size: int) -> float:
    """Bytes as GB with two places, never rounded up to a limit that is not reached."""
    return math.floor(size / _GIB * 100) / 100


def _free(reading: FactContext) -> float:
    return _floor(reading.value("disk", "free_bytes", "how much of its disk is free"))


def _memory(reading: FactContext) -> float:
    return _floor(reading.value("memory", "total_bytes", "how much memory it has"))


def _available(reading: FactContext) -> float:
    return _floor(reading.value("memory", "available_bytes", "how much memory is free"))


def _screen(reading: FactContext) -> str:
    sizes = [f"{width} x {height}" for width, height in _sizes(reading)]
    return listed(sizes) if sizes else "no monitor that shows a size"


def _large_enough(reading: FactContext) -> bool:
    sizes = _sizes(reading)
    if any(width >= 1024 and height >= 720 for width, height in sizes):
        return True
    if not sizes:
        raise CannotTell("no monitor shows a size: there may be none on this PC")
    if reading.section("screen")["remote_session"]:
        raise CannotTell("a Remote Desktop session is on, and its size is not the monitor's")
    return False


def _sizes(reading: FactContext) -> list[tuple[int, int]]:
    adapters = reading.section("screen")["adapters"]
    return [(adapter["width"], adapter["height"]) for adapter in adapters if adapter["width"] and adapter["height"]]


def _plan(reading: FactContext) -> str | list[str]:
    """What the PC's own power plan does, where no policy decides."""
    power, found = reading.section("power"), []
    if power["policy_sleep_seconds"] is None and (seconds := _seconds(reading, "sleep_seconds", "sleeps")):
        found.append(f"the PC sleeps after {_minutes(seconds)}")
    if power["policy_hibernate_seconds"] is None and power["hibernation_enabled"] is not False:
        seconds = _seconds(reading, "hibernate_seconds", "hibernates")
        found += [f"the PC hibernates after {_minutes(seconds)}"] if seconds else []
    return problems(found)


def _seconds(reading: FactContext, name: str, what: str) -> int:
    return int(reading.value("power", name, f"when it {what}"))


def _power_policy(reading: FactContext) -> str | list[str]:
    power, found = reading.section("power"), []
    if power["policy_sleep_seconds"]:
        found.append(f"a policy makes the PC sleep after {_minutes(power['policy_sleep_seconds'])}")
    if power["policy_hibernate_seconds"] and power["hibernation_enabled"] is not False:
        found.append(f"a policy makes the PC hibernate after {_minutes(power['policy_hibernate_seconds'])}")
    return problems(found)


def _minutes(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"


def _restart(reading: FactContext) -> str | list[str]:
    pending = reading.value("reboot", "pending", "whether a restart is due")
    reasons = reading.section("reboot")["reasons"]
    said = f" ({listed(sorted(reasons))})" if reasons else ""
    return problems([f"Windows waits for a restart{said}"] if pending else [])


def _skew(reading: FactContext) -> int:
    """Seconds that the gateway's clock is fast (or slow, below 0), beyond what the reading itself took."""
    shown = moment(reading.section("clock")["utc"])
    late = (shown - reading.evidence.taken_at).total_seconds()
    early = late + reading.evidence.seconds
    return 0 if late <= 0 <= early else round(late if late > 0 else early)


def _skew_size(reading: FactContext) -> int:
    return abs(_skew(reading))


def _https(reading: FactContext) -> str:
    return "yes" if _certificates(reading) else "no"


def _certificates(reading: FactContext) -> list[Any]:
    return [listener for listener in reading.section("winrm")["listeners"] if listener["transport"].lower() == "https"]


def _certificate_days(reading: FactContext) -> int:
    ends = [
        certificate["certificate_not_after"]
        for certificate in _certificates(reading)
        if certificate["certificate_not_after"]
    ]
    if not ends:
        raise CannotTell("the gateway does not tell when its WinRM certificate ends")
    return min((moment(end) - reading.at).days for end in ends)


def moment(text: str) -> datetime:
    """A time as the evidence writes it. Raises CannotTell where it is none."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise CannotTell(f"the gateway gives {text[:40]!r} as a time") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


FACTS: dict[str, FactOf] = {
    "account.name": _account,
    "account.administrator": _administrator,
    "hardware.cpu": _cpu,
    "hardware.cores": _cores,
    "disk.free_gb": _free,
    "memory.total_gb": _memory,
    "memory.available_gb": _available,
    "screen.size": _screen,
    "screen.large_enough": _large_enough,
    "power.plan": _plan,
    "power.policy": _power_policy,
    "restart.pending": _restart,
    "clock.skew_seconds": _skew,
    "clock.skew_size": _skew_size,
    "winrm.https": _https,
    "winrm.certificate_days": _certificate_days,
}
