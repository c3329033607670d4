"""One playbook on some gateways -> what Ansible says of each step. The only importer of ansible_runner."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from provisioner import foreign, processes, resources
from provisioner.ansible.broker import SECRET, SecretsSocket, Turn
from provisioner.model import Step
from provisioner.transport import diagnosis

# What Ansible needs of our environment; the rest may hold anything, and ansible-runner writes it into a file.
_PASSED_ON = frozenset(
    {"HOME", "USER", "LOGNAME", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
    | {"KRB5CCNAME", "KRB5_CONFIG", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME"}
)
# The only text of an inventory that Ansible may take for a template: the question for a password.
_PASSWORD = "ansible_password"  # noqa: S105 the name of a variable
# Ansible's own way to a gateway, and ours, which is the same with the login guard around each log-in.
_WINRM, _GUARDED = "winrm", "guarded_winrm"
# The task of rollout.yml that takes our marker away: whatever becomes of it, the work is done or failed already.
_RELEASE = "Release the gateway"
# Roles that other roles are made with.
_HELPERS = frozenset({"package"})
_LONGEST_SOCKET = 90
_LONGEST_MESSAGE = 600
_LONGEST_DIFFERENCE = 8000
_MOST_LINES = 200
_SAID = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
}

Answer = Literal["ok", "failed", "unreachable", "refused", "held", "late", "lost", "skipped", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What one task changes, or would change; both sides empty where its module does not say."""

    task: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Marker:
    """Whose work is marked on a gateway: the journal's name in this run, its `known` other names, who, and for how many
    minutes by the gateway's own clock the marker stands at most."""

    journal: str
    known: tuple[str, ...]
    by: str
    minutes: int


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What Ansible says of one step. `refused`: the gateway did not accept the log-in. `held`: another team's work is
    marked there. `late`: Ansible was not asked, for want of time; `lost`: for want of the gateway's lease. `unknown`:
    it says nothing.

    `before` is what the role found; `seconds` what its tasks took; `output` a line for each task.
    """

    result: Answer
    changed: bool = False
    message: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0
    output: tuple[str, ...] = ()


def run(
    steps: Sequence[Step],
    hosts: Mapping[str, Mapping[str, Any]],
    secrets: Callable[[str], str],
    *,
    mark: str,
    check: bool = False,
    turn: Turn | None = None,
    marker: Marker | None = None,
    on_task: Callable[[str, str, str], None] = lambda gateway, role, task: None,
    cancelled: Callable[[], bool] = lambda: False,
    root: Path | None = None,
) -> dict[str, StepResult]:
    """Run the steps' roles on their gateways, each gateway by itself, in the order given; by step id, one for each.

    `hosts` has each gateway's connection variables; one without a step of its own lends its files to another's.
    `secrets` answers a gateway's name with its password and `secret:REFERENCE` with that secret. `turn` is the login
    guard's, around each log-in. `mark` goes into the environment of all that is started. `check` changes nothing and
    gives differences. `marker` is left on each gateway while its roles run, with its steps' ids; where another
    journal's stands, all steps there are `held`. `on_task` (gateway, role,
    task) must not raise. When `cancelled` turns true the children are killed; what they had not said is unknown.
    A gateway's steps must be of different roles.
    """
    root = root or resources.root()
    base = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix=_prefix(mark), dir=base if len(base) < _LONGEST_SOCKET // 2 else "/tmp"))  # noqa: S108
    try:
        inventory = folder / "hosts.yml"
        inventory.write_text(_tagged(_inventory(steps, hosts, marker, guarded=turn is not None)), "utf-8")
        events: list[Mapping[str, Any]] = []
        with SecretsSocket(folder / "ask", hosts.keys() | _secrets(steps), secrets, turn):
            said = _play(folder, root, mark, len(hosts), check, _keeper(events, on_task), cancelled)
        return _by_step(steps, events, said, check)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def end_run(mark: str) -> int:
    """End what a run that died left behind: its processes and its folder. How many processes there were.

    Errors: OSError when some of them cannot be ended.
    """
    ended = processes.end(mark)
    for base in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108
        for folder in Path(base).glob(f"{_prefix(mark)}*"):
            shutil.rmtree(folder, ignore_errors=True)
    return ended


def _prefix(mark: str) -> str:
    return f"provisioner-{mark}-"


class _Template(str):
    """The one text of ours that Ansible may evaluate. All other text is data, whatever it looks like: a row of
    practices.csv could hold exactly these words."""


def _inventory(
    steps: Sequence[Step],
    hosts: Mapping[str, Mapping[str, Any]],
    marker: Marker | None,
    *,
    guarded: bool,
) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for gateway, given in hosts.items():
        own = {name: _Template(one) if name == _PASSWORD else one for name, one in given.items()}
        if guarded and own.get("ansible_connection") == _WINRM:
            own["ansible_connection"] = _GUARDED
        found[gateway] = {**own, "provisioner_roles": []}
    for step in steps:
        variables = found[step.gateway]
        if step.role in variables["provisioner_roles"]:
            raise ValueError(f"{step.gateway}: the role {step.role} twice in one run")
        variables["provisioner_roles"].append(step.role)
        variables.update(step.values)
    if marker is not None:
        for gateway, variables in found.items():
            ids = ", ".join(step.id for step in steps if gateway in (step.gateway, step.values.get("carry_from")))
            variables["provisioner_marker"] = {**asdict(marker), "step": ids}
    return {"all": {"hosts": found}}


def _tagged(value: Any) -> str:
    """YAML in which every text that could be a template is tagged as none: what a row of practices.csv says is data.

    No other text is tagged: Ansible would read it as if it stood there without quotes, "0042" as 34 and "" as null.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {_tagged(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_tagged, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value) if isinstance(value, _Template) or "{" not in value else f"!unsafe {json.dumps(value)}"
    return json.dumps(value)


def _stays_text(value: str) -> bool:
    """Whether Ansible leaves a tagged text a text: one that looks like a number or a time (0012, 2026-11-23) it takes
    for one, quoted or not. No such text is a template."""
    resolver = yaml.resolver.Resolver()
    tag = resolver.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    return bool(tag == resolver.DEFAULT_SCALAR_TAG)


def _secrets(steps: Iterable[Step]) -> set[str]:
    """The secrets that the steps' files name."""
    names = set[str]()
    for step in steps:
        for file in step.values.get("connector_files") or ():
            names |= {f"{SECRET}{reference}" for reference in (file.get("secrets") or {}).values()}
    return names


def _keeper(
    events: list[Mapping[str, Any]], on_task: Callable[[str, str, str], None]
) -> Callable[[Mapping[str, Any]], bool]:
    under_way: dict[str, str] = {}

    def keep(event: Mapping[str, Any]) -> bool:
        if "host" in (event.get("event_data") or {}):
            event = _owned(event, under_way)
            events.append(event)
            data = event["event_data"]
            if event["event"] == "runner_on_start" and data.get("role"):
                on_task(data["host"], data["role"], data.get("task", ""))
        # ansible-runner throws away what is not answered with True, and with an OSError everything.
        return True

    return keep


def _owned(event: Mapping[str, Any], under_way: dict[str, str]) -> Mapping[str, Any]:
    """The event as one of the role whose work it is: what a helper does is done by the role that includes it.
    `under_way` has that one by host, and is kept up to date."""
    data = event["event_data"]
    if role := data.get("role"):
        if role in _HELPERS:
            return {**event, "event_data": {**data, "role": under_way.get(data["host"], "")}}
        under_way[data["host"]] = role
    return event


def _play(
    folder: Path,
    root: Path,
    mark: str,
    forks: int,
    check: bool,
    keep: Callable[[Mapping[str, Any]], bool],
    cancelled: Callable[[], bool],
) -> str:
    """Run the playbook to its end, or until it is cancelled. What Ansible printed last, for when it said no more."""
    import ansible_runner

    config = ansible_runner.RunnerConfig(
        private_data_dir=str(folder),
        project_dir=str(root / "playbooks"),
        playbook=str(root / "playbooks" / "rollout.yml"),
        inventory=str(folder / "hosts.yml"),
        forks=forks,
        cmdline="--check --diff" if check else None,
        quiet=True,
    )
    config.prepare()
    # How often `cancelled` is asked, in seconds. As an argument, `settings` counts only beside a file of that name.
    config.pexpect_timeout = 0.5
    config.env = _environment(config.env, folder, root, mark)
    # The script of the same installation as ourselves, whatever PATH says.
    config.command[0] = str(Path(sys.executable).with_name("ansible-playbook"))

    def cancel() -> bool:
        if not cancelled():
            return False
        # The workers first: they are in sessions of their own, and ansible-runner ends only their parent.
        processes.end(mark)
        return True

    # With a cancel_callback ansible-runner leaves our signal handlers alone.
    runner = ansible_runner.Runner(config, event_handler=keep, cancel_callback=cancel, remove_partials=True)
    try:
        status, code = runner.run()
    finally:
        processes.end(mark)
    if status == "canceled":
        return "it was stopped before it was done"
    with runner.stdout as printed:
        return f"Ansible ended with {code}: {_clean(_last_words(printed.read()))}"


def _environment(prepared: Mapping[str, str], folder: Path, root: Path, mark: str) -> dict[str, str]:
    """What Ansible is started with: what ansible-runner added, what is needed of ours, and what says where all is."""
    kept = {name: value for name, value in prepared.items() if name in _PASSED_ON or os.environ.get(name) != value}
    return {
        **kept,
        # Without a UTF-8 locale Ansible does not start.
        "LC_ALL": "C.UTF-8",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
        "ANSIBLE_NOCOLOR": "1",
        "PROVISIONER_ASK": str(folder / "ask"),
        processes.VARIABLE: mark,
    }


@dataclass(kw_only=True)
class _Role:
    """What the events say of one role on one gateway."""

    changed: bool = False
    finished: bool = False
    trouble: Answer | None = None
    message: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    seconds: float = 0.0
    output: list[str] = field(default_factory=list)


def _last_words(printed: str) -> str:
    """Of all that Ansible printed its own complaint, or else the end."""
    complaint = printed.rfind("[ERROR]")
    return printed[complaint:] if complaint >= 0 else printed[-_LONGEST_MESSAGE:]


def _remark(before: Mapping[str, Any]) -> str:
    """What a person should know of a role that ended well: what its installer asked for, or did by itself."""
    words = []
    if started := before.get("started_by_itself"):
        words.append(f"the installer started {', '.join(started)} by itself; it was stopped and starts by hand only")
    if before.get("restart_needed"):
        words.append("restart needed, for the practice to do")
    return "; ".join(words)


def _by_step(
    steps: Sequence[Step], events: Iterable[Mapping[str, Any]], said: str, check: bool
) -> dict[str, StepResult]:
    roles = {(step.gateway, step.role): _Role() for step in steps}
    # Trouble outside any role of the gateway (the claim's, Ansible's own) is the first unfinished role's.
    order: dict[str, list[str]] = {}
    held: dict[str, str] = {}
    for step in steps:
        order.setdefault(step.gateway, []).append(step.role)
    for event in events:
        data = event["event_data"]
        gateway, role = str(data["host"]), str(data.get("role") or "")
        if gateway not in order:
            continue
        if role not in order[gateway]:
            if event["event"] not in ("runner_on_failed", "runner_on_unreachable") or data.get("task") == _RELEASE:
                continue
            if (data.get("res") or {}).get("held") is True:
                held[gateway] = _message(data["res"])
            role = next((one for one in order[gateway] if not roles[gateway, one].finished), order[gateway][-1])
        _note(roles[gateway, role], event["event"], data, check)
    acted: dict[str, StepResult] = {}
    for step in steps:
        if step.gateway in held:
            acted[step.id] = StepResult(result="held", message=held[step.gateway])
            continue
        earlier = order[step.gateway][: order[step.gateway].index(step.role)]
        troubled = next((one for one in earlier if not roles[step.gateway, one].finished), "")
        acted[step.id] = _acted(roles[step.gateway, step.role], troubled, said)
    return acted


def _note(role: _Role, kind: str, data: Mapping[str, Any], check: bool) -> None:
    result: Mapping[str, Any] = data.get("res") or {}
    role.seconds += float(data.get("duration") or 0)
    if kind in _SAID:
        role.output.append(_line(kind, data, result))
    if kind == "runner_on_unreachable":
        words = _message(result)
        role.trouble = "refused" if diagnosis.rejected(words) else "unreachable"
        role.message = diagnosis.unmarked(words)
    elif kind == "runner_on_failed" and not data.get("ignore_errors"):
        words = _message(result)
        role.trouble = "refused" if diagnosis.rejected(words) else "unreachable" if diagnosis.broke(words) else "failed"
        role.message = f"{data.get('task', '')}: {diagnosis.unmarked(words)}"
    elif kind == "runner_on_ok":
        role.changed |= bool(result.get("changed"))
        if check and result.get("changed"):
            role.differences += _differences(str(data.get("task", "")), result)
        facts = result.get("ansible_facts") or {}
        # Every role ends with the second: one that did not get there has not finished. Some tell before they change
        # anything, so that it is known of a failure too.
        for name in ("provisioner_found", "provisioner_before"):
            if name in facts:
                role.finished = name == "provisioner_before"
                role.before = _kept(facts[name])


def _acted(role: _Role, troubled: str, said: str) -> StepResult:
    result: Answer
    if role.finished:
        result, message = "ok", _remark(role.before)
    elif role.trouble:
        result, message = role.trouble, role.message
    elif troubled:
        result, message = "skipped", f"not tried, because {troubled} did not finish here"
    else:
        result, message = "unknown", said
    return StepResult(
        result=result,
        changed=role.changed,
        message=message,
        before=role.before,
        differences=tuple(role.differences),
        seconds=role.seconds,
        output=_at_most(role.output),
    )


def _line(kind: str, data: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """What Ansible said of one task: how it ended, its name, and where it went wrong why."""
    said = _SAID[kind]
    if said == "ok":
        # Of a task that is not logged nobody is told which of the two it was.
        said = "ok or changed" if "censored" in result else "changed" if result.get("changed") else "ok"
    words = f"{said}: {data.get('task', '')}"
    if kind in ("runner_on_failed", "runner_on_unreachable"):
        words += f": {_message(result)}"
        words += " (passed over)" if data.get("ignore_errors") else ""
    return _clean(diagnosis.unmarked(words))


def _at_most(lines: Sequence[str]) -> tuple[str, ...]:
    """The beginning and the end, where there are more lines than anybody reads."""
    if len(lines) <= _MOST_LINES:
        return tuple(lines)
    first, last = _MOST_LINES // 2, _MOST_LINES // 2 - 1
    return (*lines[:first], f"... {len(lines) - first - last} lines are left out", *lines[-last:])


def _differences(task: str, result: Mapping[str, Any]) -> list[Difference]:
    found = []
    for one in result.get("results") or [result]:
        if not one.get("changed"):
            continue
        told = one.get("diff") or {}
        for diff in told if isinstance(told, list) else [told]:
            if "prepared" in diff:
                diff = _taken_apart(str(diff["prepared"]))
            before, after = _text(diff.get("before", "")), _text(diff.get("after", ""))
            found.append(Difference(task=task, before=before, after=after))
    return found


def _taken_apart(prepared: str) -> dict[str, str]:
    """The two sides of a difference that a module has put together itself, with its signs."""
    sides: dict[str, list[str]] = {"-": [], "+": []}
    for line in prepared.splitlines():
        if line[:1] in sides:
            sides[line[0]].append(line[1:])
    return {"before": "\n".join(sides["-"]), "after": "\n".join(sides["+"])}


def _kept(found: Any) -> Mapping[str, Any]:
    """What a role found, as it can be kept. Where it cannot be at all, an undo is told that nothing is known."""
    try:
        kept = foreign.kept(found)
    except foreign.Unfit:
        return {"untold": ["all of it"]}
    return kept if isinstance(kept, Mapping) else {"found": kept}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, default=str)
    return foreign.lines(text[:_LONGEST_DIFFERENCE])


def _message(result: Mapping[str, Any]) -> str:
    """Why a task failed: of a loop, why its first item did."""
    for one in result.get("results") or ():
        if one.get("failed") or one.get("unreachable"):
            return _message(one)
    return _clean(str(result.get("msg") or result.get("censored") or "no reason given"))


def _clean(text: str) -> str:
    """Text of a gateway or of Ansible, in one line, without what a terminal might obey."""
    words = " ".join(foreign.readable(text).split())
    return words if len(words) <= _LONGEST_MESSAGE else words[: _LONGEST_MESSAGE - 1] + "…"
