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
_WORKS = ("running", "start_pending")
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
    return [one for one in (section["service"], *(section["others"] or ())) if one] if section else []


def processes(sections: Sections) -> list[Process]:
    """The processes that are the Connector."""
    return [one for one in _listed(sections) if _is(one, sections)]


def doubtful(sections: Sections) -> list[Process]:
    """Those that may be it."""
    return [one for one in _listed(sections) if not _is(one, sections) and _may(one)]


def without_service(sections: Sections) -> list[Process]:
    """Those that are the Connector and that none of its services runs: no stop of a service ends them."""
    owned = any(one["state"] in _WORKS for one in services(sections))
    return [one for one in processes(sections) if not _of_service(one, sections) and not (owned and _unplaced(one))]


def runs(sections: Sections) -> bool | None:
    """Whether a Connector runs; None where the reading does not say. One trace is enough that it does; that it does
    not takes both sections."""
    if any(one["state"] in _WORKS for one in services(sections)) or processes(sections):
        return True
    return None if "service" not in sections or why_untold(sections) else False


def why_untold(sections: Sections) -> str:
    """Why nobody can say that no Connector runs besides those that are known; "" where one can."""
    connector = sections.get("connector")
    if connector is None:
        return "its programs were not read"
    if found := doubtful(sections):
        return f"{listed([words(one) for one in found])} may be one"
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
    found = processes(sections)
    known = {one["pid"] for one in found}
    for one in found:
        groups.setdefault(_group(one, sections, known), []).append(one)
    return [group for group in groups.values() if any(_works(one) or _is_java(one, sections) for one in group)]


def words(one: Process) -> str:
    """A process in words."""
    session = f", session {one['session']}" if one["session"] is not None else ""
    return f"{one['image'] or one.get('name') or 'a program'} (process {one['pid']}{session})"


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
    image, found = settings.connector.image, _service(sections, settings)
    running = _running(sections)
    told = str(found.get("image", image) or "") if found else ""
    sure = bool(found and told and found.get("host", "") is not None)
    if running:
        return Programs(running=running, configured=told if sure else "")
    if not found:
        return Programs(configured=image)
    if sure or (told and same_path(told, image)):
        return Programs(configured=told)
    why = f"which program the service {found['name']} starts cannot be told while it does not run"
    return Programs(running=(image,), configured=told, sure=False, why=why)


def by_program(found: Programs, judge: Callable[[str], str | list[str]]) -> str | list[str]:
    """What is said of the program that is the Connector: OK, or problems. `judge` says it of one.

    Where two programs are it in turn, or it is not known which, it is failed only for what is wrong with each.
    Raises CannotTell where that depends on which it is.
    """
    said = {one: judge(one) for one in (*found.each, *(() if found.sure else (_ANOTHER,)))}
    if all(one == OK for one in said.values()):
        return OK
    if found.sure and OK not in said.values():
        return list(dict.fromkeys(problem for one in said.values() for problem in one))
    if not found.sure:
        first, *others = said.values()
        if common := [one for one in first if first != OK and all(one in other for other in others)]:
            return problems(common)
        raise CannotTell(found.why)
    right = [one for one in said if said[one] == OK]
    raise CannotTell(f"{' and '.join(found.words(one) for one in said)}: it is right for {listed(right)} alone")


def _service(sections: Sections, settings: Settings) -> Any:
    section = sections.get("service")
    if section is None:
        return None
    if section["service"] or settings.service.name:
        return section["service"]
    return section["others"][0] if len(section["others"] or ()) == 1 else None


def _running(sections: Sections) -> tuple[str, ...]:
    """The files of what runs: of whoever talks to the vendor, else to SystmOne, else of what started nothing more."""
    found = [one for one in processes(sections) if one["image"]]
    parents = {pid for one in found for pid in one.get("ancestors") or ()}
    hosts = {one.get("pid") for one in services(sections) if one.get("host", "") != "procrun" or _elsewhere(one)}
    leaves = [one for one in found if one["pid"] not in parents]
    for some in (
        [one for one in found if one["endpoint_connections"]],
        [one for one in found if one["systmone_connections"]],
        [one for one in leaves if one["pid"] not in hosts],
    ):
        if some:
            return tuple({path_key(one["image"]): one["image"] for one in some}.values())
    return ()


def _elsewhere(service: Any) -> bool:
    """Whether a host starts another program than its own."""
    image, command = service.get("image"), service.get("command")
    return not (image and command and same_path(image, command))


def _listed(sections: Sections) -> Sequence[Process]:
    connector = sections.get("connector")
    return connector["processes"] if connector else ()


def _is(one: Process, sections: Sections) -> bool:
    if one.get("in_folder", True) or _of_service(one, sections):
        return True
    if one["endpoint_connections"] and one["systmone_connections"]:
        return True
    return _is_java(one, sections) and bool(one["endpoint_connections"] or one.get("names_folder"))


def _may(one: Process) -> bool:
    """Whether a process that is not known to be the Connector may be it. A program of Windows' own that only looks at
    the folder (Explorer, Notepad, robocopy), or Defender, cannot be."""
    if one["endpoint_connections"] or not one["image"]:
        return True
    if one.get("names_folder"):
        place = path_key(one["image"])
        windows = place[1:].startswith(":\\windows\\") and place.rpartition("\\")[2] not in _HOSTS
        return not (windows or "\\microsoft\\windows defender\\" in place or "\\windows defender\\" in place)
    # What is left was listed because it is a Java of which more is not told.
    return one.get("names_folder") is None


def _is_java(one: Process, sections: Sections) -> bool:
    name = path_key(one["image"] or one.get("name") or "").rpartition("\\")[2]
    configured = [service["image"] for service in services(sections) if service.get("image") and service.get("host")]
    return name in PRODUCT.programs or _among(one["image"] or "", configured)


def _works(one: Process) -> bool:
    return bool(one["endpoint_connections"] or one["systmone_connections"])


def _of_service(one: Process, sections: Sections) -> bool:
    return _service_of(one, sections) is not None


def _service_of(one: Process, sections: Sections) -> str | None:
    family = {one["pid"], *(one.get("ancestors") or ())}
    return next((str(each["name"]) for each in services(sections) if each.get("pid") in family), None)


def _unplaced(one: Process) -> bool:
    """Whether it is not told who started a process in the session of services: it may well be the service's."""
    return one.get("ancestors") is None and not one["session"]


def _group(one: Process, sections: Sections, known: set[int]) -> object:
    if (service := _service_of(one, sections)) is not None:
        return service
    if _unplaced(one) and (working := [each["name"] for each in services(sections) if each["state"] in _WORKS]):
        return str(working[0])
    return ([one["pid"], *(pid for pid in one.get("ancestors") or () if pid in known)])[-1]


def _among(program: str, some: Sequence[str]) -> bool:
    return any(same_path(program, one) for one in some)
