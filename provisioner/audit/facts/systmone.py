"""Facts about SystmOne and the people on the PC."""

from typing import Any

from provisioner.audit.facts.context import CannotTell, FactContext, FactOf


def _listeners(reading: FactContext) -> list[Any]:
    """The listeners that may be SystmOne's. Another program's leaves nothing to be told."""
    systmone = reading.section("systmone")
    found = systmone["listeners"]
    likely = [process for process in found if process["folder_matches"] is not False]
    if found and not likely:
        raise CannotTell(
            f"port {systmone['port']} is held by {found[0]['process'] or 'a program'}, which does not lie in "
            f"SystmOne's folder: is systmone.folder in fleet.yml right?"
        )
    return likely


def _logged_in(reading: FactContext) -> bool:
    """SystmOne opens its local port as soon as somebody has logged in [docs/windows.md, "systmone"]."""
    return bool(_listeners(reading))


def _logged_in_words(reading: FactContext) -> str:
    return "yes" if _logged_in(reading) else "no"


def _gateway_mode(reading: FactContext) -> bool:
    marks = [listener["gateway_mode"] for listener in _listeners(reading)]
    if True in marks:
        return True
    if not marks:
        raise CannotTell("nobody is logged in to SystmOne")
    if None in marks:
        raise CannotTell("the command line of SystmOne cannot be read")
    return False


def _dedicated(reading: FactContext) -> bool:
    hints = _hints(reading)
    seen = f" (seen: {hints})" if hints else ""
    raise CannotTell(f"only the practice can say whether anybody works on this PC{seen}")


def _hints(reading: FactContext) -> str:
    users = reading.section("users")
    hints = ["Office is open"] if users["office_running"] else []
    if len(users["sessions"]) > 1:
        hints.append("more than one person is logged on")
    return ", ".join(hints)


def _sessions(reading: FactContext) -> str:
    sessions = reading.section("users")["sessions"]
    said = [
        f"{session['name'] or 'somebody'} ({session['kind']}{', locked' if session['locked'] else ''})"
        for session in sessions
    ]
    return ", ".join(said) or "nobody"


FACTS: dict[str, FactOf] = {
    "systmone.logged_in": _logged_in,
    "systmone.present": _logged_in_words,
    "systmone.gateway_mode": _gateway_mode,
    "users.dedicated": _dedicated,
    "users.sessions": _sessions,
}
