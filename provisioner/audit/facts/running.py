"""What runs as the Connector on a gateway, and which program that is. Pure, from a reading's sections alone: the facts,
the fence and the plan all ask here.

A Connector is a process that lies below its folder, that its service started, that holds a connection to an endpoint,
or that names the folder in its command line [docs/windows.md, "connector"]. Where one merely may be it, nothing is
told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.audit.facts.context import OK, CannotTell, listed, path_key, problems, same_path
from provisioner.model.product import PRODUCT
from provisioner.model.settings import Settings

Sections = Mapping[str, Mapping[str, Any]]
Process = Mapping[str, Any]

# Stands for a program of which nothing is known.
_ANOTHER = "?"
# Of Windows' own programs, those that run what a command line names.
_HOSTS = frozenset(
    (
        *("cmd.exe", "powershell.exe", "powershell_ise.exe", "wscript.exe", "cscript.exe", "mshta.exe", "rundll32.exe"),
        *("msiexec.exe", "forfiles.exe", "schtasks.exe", "wsl.exe", "bash.exe"),
    )
)


def services(sections: Sections) -> list[Any]:
    """The Connector's services: the one that fleet.yml names, and those that name its folder."""
    section = sections.get("service")
    return [service for service in (section["service"], *(section["others"] or ())) if service] if section else []


def works(service: Any) -> bool:
    """Whether a service's program is at work. One that is paused goes on at any time, and one that is being stopped has
    not ended."""
    return service["state"] not in ("stopped", None)


def processes(sections: Sections) -> list[Process]:
    """The processes that are the Connector."""
    return [process for process in _listed(sections) if _is(process, sections)]


def doubtful(sections: Sections) -> list[Process]:
    """Those that may be it."""
    return [process for process in _listed(sections) if not _is(process, sections) and _may(process)]


def without_service(sections: Sections) -> list[Process]:
    """Those that are the Connector and that none of its services runs: no stop of a service ends them."""
    owned = any(map(works, services(sections)))
    return [
        process
        for process in processes(sections)
        if not _of_service(process, sections) and not (owned and _unplaced(process))
    ]


def runs(sections: Sections) -> bool | None:
    """Whether a Connector runs; None where the reading does not say. One trace is enough that it does; that it does
    not takes both sections."""
    if any(map(works, services(sections))) or processes(sections):
        return True
    return None if "service" not in sections or why_untold(sections) else False


def why_untold(sections: Sections) -> str:
    """Why nobody can say that no Connector runs besides those that are known; "" where one can."""
    connector = sections.get("connector")
    if connector is None:
        return "its programs were not read"
    if unsure := doubtful(sections):
        return f"{listed([words(process) for process in unsure])} may be one"
    if silent := [str(service["name"]) for service in services(sections) if service["state"] is None]:
        return f"the gateway does not tell the state of the service {listed(silent)}"
    if not connector.get("command_lines", True):
        return "the command lines of its programs cannot be read"
    unowned = connector.get("unowned_connections", 0)
    if unowned is None:
        return "its connections cannot be read"
    if unowned and not processes(sections):
        return "a program that cannot be told holds a connection to the vendor"
    return ""


def several(sections: Sections) -> list[list[Process]]:
    """The Connectors on one gateway, each with its processes: those that a common service or parent holds together.

    What merely lies in the folder and neither works nor is a Java is no second one.
    """
    groups: dict[object, list[Process]] = {}
    ours = processes(sections)
    known = {process["pid"] for process in ours}
    for process in ours:
        groups.setdefault(_group(process, sections, known), []).append(process)
    return [
        group for group in groups.values() if any(_works(process) or _is_java(process, sections) for process in group)
    ]


def words(process: Process) -> str:
    """A process in words."""
    session = f", session {process['session']}" if process["session"] is not None else ""
    return f"{process['image'] or process.get('name') or 'a program'} (process {process['pid']}{session})"


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Which program is the Connector: what runs, and what its service is set to run ("" for not told).

    `sure` is false where only the service's own program is known, which may start another.
    """

    running: tuple[str, ...] = ()
    configured: str = ""
    sure: bool = True
    why: str = ""

    @property
    def each(self) -> tuple[str, ...]:
        """All of them, each once."""
        unlike = [self.configured] if self.configured and not _among(self.configured, self.running) else []
        return (*self.running, *unlike)

    @property
    def one(self) -> str:
        """The program; "" where it cannot be told, or two are."""
        return self.each[0] if self.sure and len(self.each) == 1 else ""

    def words(self, program: str) -> str:
        """What a program is to the Connector, in words."""
        if _among(program, self.running) or not self.running:
            return f"what runs is {program}"
        return f"what its service is set to run is {program}"


def programs(sections: Sections, settings: Settings) -> Programs:
    """Which program is the Connector, by what runs first: whoever holds its connections, else what its service started;
    then by the service's settings; without a service by fleet.yml."""
    image, service = settings.connector.image, _service(sections, settings)
    running = _running(sections)
    program = str(service.get("image", image) or "") if service else ""
    sure = bool(service and program and service.get("host", "") is not None)
    if running:
        return Programs(running=running, configured=program if sure else "")
    if not service:
        return Programs(configured=image)
    if sure or (program and same_path(program, image)):
        return Programs(configured=program)
    why = f"which program the service {service['name']} starts cannot be told while it does not run"
    return Programs(running=(image,), configured=program, sure=False, why=why)


def by_program(candidates: Programs, judge: Callable[[str], str | list[str]]) -> str | list[str]:
    """What is said of the program that is the Connector: OK, or problems. `judge` says it of one.

    Where two programs are it in turn, or it is not known which, it is failed only for what is wrong with each.
    Raises CannotTell where that depends on which it is.
    """
    verdicts = {program: judge(program) for program in (*candidates.each, *(() if candidates.sure else (_ANOTHER,)))}
    if all(verdict == OK for verdict in verdicts.values()):
        return OK
    if candidates.sure and OK not in verdicts.values():
        return list(dict.fromkeys(problem for verdict in verdicts.values() for problem in verdict))
    if not candidates.sure:
        first, *others = verdicts.values()
        if common := [problem for problem in first if first != OK and all(problem in other for other in others)]:
            return problems(common)
        raise CannotTell(candidates.why)
    right = [program for program in verdicts if verdicts[program] == OK]
    raise CannotTell(
        f"{' and '.join(candidates.words(program) for program in verdicts)}: it is right for {listed(right)} alone"
    )


def _service(sections: Sections, settings: Settings) -> Any:
    section = sections.get("service")
    if section is None:
        return None
    if section["service"] or settings.service.name:
        return section["service"]
    return section["others"][0] if len(section["others"] or ()) == 1 else None


def _running(sections: Sections) -> tuple[str, ...]:
    """The files of what runs: of whoever talks to the vendor, else to SystmOne, else of what started nothing more."""
    ours = [process for process in processes(sections) if process["image"]]
    parents = {pid for process in ours for pid in process.get("ancestors") or ()}
    hosts = {
        service.get("pid")
        for service in services(sections)
        if service.get("host", "") != "procrun" or _elsewhere(service)
    }
    leaves = [process for process in ours if process["pid"] not in parents]
    for some in (
        [process for process in ours if process["endpoint_connections"]],
        [process for process in ours if process["systmone_connections"]],
        [process for process in leaves if process["pid"] not in hosts],
    ):
        if some:
            return tuple({path_key(process["image"]): process["image"] for process in some}.values())
    return ()


def _elsewhere(service: Any) -> bool:
    """Whether a host starts another program than its own."""
    image, command = service.get("image"), service.get("command")
    return not (image and command and same_path(image, command))


def _listed(sections: Sections) -> Sequence[Process]:
    connector = sections.get("connector")
    return connector["processes"] if connector else ()


def _is(process: Process, sections: Sections) -> bool:
    if process.get("in_folder", True) or _of_service(process, sections):
        return True
    calls = _calls(process)
    if calls and process["systmone_connections"]:
        return True
    return _is_java(process, sections) and bool(calls or process.get("names_folder"))


def _calls(process: Process) -> bool:
    """Whether it holds a connection to an endpoint, or one that is being opened or closed: who calls in vain is at work
    as well. Readings of before do not say the second."""
    return bool(process["endpoint_connections"] or process.get("endpoint_attempts"))


def _may(process: Process) -> bool:
    """Whether a process that is not known to be the Connector may be it. A program of Windows' own that only looks at
    the folder (Explorer, Notepad, robocopy), or Defender, cannot be."""
    if _calls(process) or not process["image"]:
        return True
    if process.get("names_folder"):
        place = path_key(process["image"])
        windows = place[1:].startswith(":\\windows\\") and place.rpartition("\\")[2] not in _HOSTS
        return not (windows or "\\microsoft\\windows defender\\" in place or "\\windows defender\\" in place)
    # What is left was listed because it is a Java that talks to SystmOne, or one of which more is not told.
    return process.get("names_folder") is None or bool(process["systmone_connections"])


def _is_java(process: Process, sections: Sections) -> bool:
    name = path_key(process["image"] or process.get("name") or "").rpartition("\\")[2]
    configured = [service["image"] for service in services(sections) if service.get("image") and service.get("host")]
    return name in PRODUCT.programs or _among(process["image"] or "", configured)


def _works(process: Process) -> bool:
    return bool(process["endpoint_connections"] or process["systmone_connections"])


def _of_service(process: Process, sections: Sections) -> bool:
    return _service_of(process, sections) is not None


def _service_of(process: Process, sections: Sections) -> str | None:
    family = {process["pid"], *(process.get("ancestors") or ())}
    return next((str(each["name"]) for each in services(sections) if each.get("pid") in family), None)


def _unplaced(process: Process) -> bool:
    """Whether it is not told who started a process in the session of services: it may well be the service's."""
    return process.get("ancestors") is None and not process["session"]


def _group(process: Process, sections: Sections, known: set[int]) -> object:
    if (service := _service_of(process, sections)) is not None:
        return service
    if _unplaced(process) and (working := [each["name"] for each in services(sections) if works(each)]):
        return str(working[0])
    return ([process["pid"], *(pid for pid in process.get("ancestors") or () if pid in known)])[-1]


def _among(program: str, some: Sequence[str]) -> bool:
    return any(same_path(program, other) for other in some)
