"""How a pretend gateway runs its Connector: which host its service has, and what a reading could tell of it."""

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from provisioner.lab.windows.disk import Disk
from provisioner.lab.windows.registry import Registry
from provisioner.lab.windows.state import Defender, Firewall, Loose, Service

PROCRUN = "HKLM:\\SOFTWARE\\WOW6432Node\\Apache Software Foundation\\Procrun 2.0"
SYSTEM_JAVA = "C:\\Program Files\\Java\\jre1.8.0_392"

_SERVICES = "HKLM:\\SYSTEM\\CurrentControlSet\\Services"
_FOLDER = "C:\\iPlato"
_IMAGE = f"{_FOLDER}\\jre\\bin\\java.exe"
_TOOLS = "C:\\Tools"


class Machine(Protocol):
    """What of a pretend gateway says how it runs its Connector."""

    disk: Disk
    registry: Registry
    environment: dict[str, dict[str, str]]
    services: list[Service]
    loose: list[Loose]
    firewall: Firewall
    defender: Defender


def program(command: str) -> str:
    """The program of a command line, without its arguments."""
    if command.startswith('"'):
        return command[1:].partition('"')[0]
    head, dot, _ = command.lower().partition(".exe")
    return command[: len(head) + len(dot)]


def image(machine: Machine, service: Service) -> str:
    """The program that a service is set to run, whoever hosts it."""
    told, host = _told(machine, service)
    if host == "script":
        return _in_file(machine, re.search(r'/c "([^"]+)"', service.path), r"^\"?([^\"\r\n]+?\.exe)")
    return told or program(service.path)


def told(machine: Machine, service: Service) -> tuple[str | None, str | None]:
    """What a reading tells of it: the program, and by which host it is told."""
    found, host = _told(machine, service)
    return (None if host == "script" else found or (program(service.path) if host is None else None)), host


def is_jvm(machine: Machine, service: Service) -> bool:
    """Whether procrun has Java in its own process."""
    return _procrun(machine, service, "Start", "Mode") == "jvm"


def _told(machine: Machine, service: Service) -> tuple[str, str | None]:
    path, own = service.path, program(service.path)
    exe = _procrun(machine, service, "Start", "Image")
    mode = _procrun(machine, service, "Start", "Mode") or ("exe" if exe else "")
    if "//RS//" in path and mode:
        home = _procrun(machine, service, "Java", "JavaHome")
        return {"jvm": own, "java": home and f"{home}\\bin\\java.exe"}.get(mode, exe), "procrun"
    if application := machine.registry.value(f"{_SERVICES}\\{service.name}\\Parameters", "Application"):
        return _expanded(machine, str(application)), "srvany" if own.lower().endswith("srvany.exe") else "nssm"
    if " -- " in path:
        return program(path.partition(" -- ")[2]), "shawl"
    if xml := machine.disk.file(re.sub(r"(?i)\.exe$", ".xml", own)):
        found = re.search("<executable>(.*)</executable>", xml.text or "")
        return found[1].replace("%BASE%", own.rpartition("\\")[0]) if found else "", "winsw"
    if conf := re.search(r' -s "([^"]+)"', path):
        return _in_file(machine, conf, r"(?m)^wrapper\.java\.command=(.*?)\r?$"), "tanuki"
    return "", "script" if own.lower().endswith("\\cmd.exe") else None


def _procrun(machine: Machine, service: Service, part: str, name: str) -> str:
    return str(machine.registry.value(f"{PROCRUN}\\{service.name}\\Parameters\\{part}", name) or "")


def _in_file(machine: Machine, named: re.Match[str] | None, pattern: str) -> str:
    file = machine.disk.file(named[1]) if named else None
    found = re.search(pattern, (file.text if file else None) or "")
    return found[1].replace("/", "\\") if found else ""


def _expanded(machine: Machine, text: str) -> str:
    for name, value in machine.environment["machine"].items():
        text = text.replace(f"%{name}%", value)
    return text


# How a Connector may be run


def run_by(machine: Machine, kind: str) -> None:
    """Have the Connector of a machine that is ready run in another way, as whoever set it up so left it: without a
    firewall rule and an exclusion. The old host's words are forgotten."""
    service = machine.services[0]
    machine.registry.keys = {name: one for name, one in machine.registry.keys.items() if "procrun" not in name.lower()}
    machine.firewall.rules.clear()
    machine.defender.paths.clear()
    _KINDS[kind](machine, service)
    if service in machine.services and service.state == "running":
        service.runs = image(machine, service)


def _by_procrun(mode: str, **more: str) -> Callable[[Machine, Service], None]:
    def told_so(machine: Machine, service: Service) -> None:
        machine.registry.put(f"{PROCRUN}\\{service.name}\\Parameters\\Start", "Mode", "String", mode)
        for name, value in more.items():
            part = "Java" if name == "JavaHome" else "Start"
            machine.registry.put(f"{PROCRUN}\\{service.name}\\Parameters\\{part}", name, "String", value)

    return told_so


def _winsw(machine: Machine, service: Service) -> None:
    service.path = f'"{_FOLDER}\\{service.name}.exe"'
    _write(
        machine,
        f"{_FOLDER}\\{service.name}.xml",
        "<service><executable>%BASE%\\jre\\bin\\java.exe</executable></service>",
    )


def _tanuki(machine: Machine, service: Service) -> None:
    service.path = f'"{_FOLDER}\\wrapper.exe" -s "{_FOLDER}\\conf\\wrapper.conf"'
    _write(machine, f"{_FOLDER}\\wrapper.exe", "MZ wrapper")
    _write(machine, f"{_FOLDER}\\conf\\wrapper.conf", "wrapper.java.command=C:/iPlato/jre/bin/java.exe\n")


def _application(host: str, text: str) -> Callable[[Machine, Service], None]:
    def told_so(machine: Machine, service: Service) -> None:
        service.path = host
        machine.environment["machine"]["JAVA_HOME"] = f"{_FOLDER}\\jre"
        _write(machine, host, "MZ host")
        machine.registry.put(f"{_SERVICES}\\{service.name}\\Parameters", "Application", "ExpandString", text)

    return told_so


def _shawl(machine: Machine, service: Service) -> None:
    service.path = f'"{_TOOLS}\\shawl.exe" run --name {service.name} --cwd {_FOLDER} -- {_IMAGE} -jar connector.jar'
    _write(machine, f"{_TOOLS}\\shawl.exe", "MZ shawl")


def _batch(machine: Machine, service: Service) -> None:
    service.path = f'C:\\Windows\\System32\\cmd.exe /c "{_FOLDER}\\start.bat"'
    _write(machine, "C:\\Windows\\System32\\cmd.exe", "MZ cmd")
    _write(machine, f"{_FOLDER}\\start.bat", f'"{_IMAGE}" -jar connector.jar\n')


def _system(machine: Machine, service: Service) -> None:
    _write(machine, f"{SYSTEM_JAVA}\\bin\\java.exe", "MZ java")
    _by_procrun("java", JavaHome=SYSTEM_JAVA)(machine, service)


def _log_on(machine: Machine, service: Service) -> None:
    _write(machine, f"{SYSTEM_JAVA}\\bin\\javaw.exe", "MZ java")
    machine.services.remove(service)
    machine.loose.append(Loose(f"{SYSTEM_JAVA}\\bin\\javaw.exe", started=service.started))


def _write(machine: Machine, path: str, text: str) -> None:
    machine.disk.write(path, text.encode())


_KINDS: Mapping[str, Callable[[Machine, Service], None]] = {
    "exe": _by_procrun("exe", Image=_IMAGE),
    "java": _by_procrun("java", JavaHome=f"{_FOLDER}\\jre"),
    "jvm": _by_procrun("jvm"),
    "winsw": _winsw,
    "tanuki": _tanuki,
    "nssm": _application(f"{_TOOLS}\\nssm.exe", "%JAVA_HOME%\\bin\\java.exe"),
    "srvany": _application("C:\\Windows\\System32\\srvany.exe", _IMAGE),
    "shawl": _shawl,
    "batch": _batch,
    "system": _system,
    "logon": _log_on,
}
KINDS = tuple(_KINDS)
