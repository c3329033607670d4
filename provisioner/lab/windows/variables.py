"""The environment of whoever works on a pretend gateway over WinRM: its variables, and texts that name them."""

from collections.abc import Mapping

from provisioner.lab.windows.machine import Machine

PROFILE = "C:\\Users\\provisioner"
TEMP = f"{PROFILE}\\AppData\\Local\\Temp"

_SYSTEM32 = "C:\\Windows\\system32"
# What Windows itself gives every process, by name in lower case.
_ALWAYS = {
    "allusersprofile": "C:\\ProgramData",
    "appdata": f"{PROFILE}\\AppData\\Roaming",
    "comspec": f"{_SYSTEM32}\\cmd.exe",
    "localappdata": f"{PROFILE}\\AppData\\Local",
    "path": f"{_SYSTEM32};C:\\Windows;{_SYSTEM32}\\Wbem;{_SYSTEM32}\\WindowsPowerShell\\v1.0\\",
    "programdata": "C:\\ProgramData",
    "programfiles": "C:\\Program Files",
    "programfiles(x86)": "C:\\Program Files (x86)",
    "public": "C:\\Users\\Public",
    "systemdrive": "C:",
    "systemroot": "C:\\Windows",
    "temp": TEMP,
    "tmp": TEMP,
    "userprofile": PROFILE,
    "windir": "C:\\Windows",
}


def expand(machine: Machine, text: str) -> str:
    """A text with its %VARIABLES% put in, as ExpandEnvironmentStrings does: without regard to case, and what is not
    known stays as it is, its second % beginning the next one."""
    known = _known(machine)
    done, rest = "", text
    while "%" in rest:
        before, _, rest = rest.partition("%")
        name, closed, behind = rest.partition("%")
        value = known.get(name.lower()) if closed and name else None
        if value is None:
            done += f"{before}%{name}"
            rest = f"%{behind}" if closed else ""
        else:
            done += before + value
            rest = behind
    return done + rest


def _known(machine: Machine) -> Mapping[str, str]:
    set_here = {
        name.lower(): value for level in ("machine", "user") for name, value in machine.environment[level].items()
    }
    return {**_ALWAYS, "computername": machine.who().computer_name.upper(), **set_here}
