"""One playbook on some gateways -> what Ansible says of each step. The only importer of ansible_runner."""

import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from provisioner import processes, resources
from provisioner.ansible.broker import SecretsSocket, Turn
from provisioner.ansible.inventory import WorkMarker, of_run, secrets_of, tagged
from provisioner.ansible.results import FOUND, StepResult, by_step, clean, last_words
from provisioner.errors import GatewayError, Refused
from provisioner.model import Step

# What Ansible needs of our environment; the rest may hold anything, and ansible-runner writes it into a file.
_PASSED_ON = frozenset(
    {"HOME", "USER", "LOGNAME", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"} | {"KRB5_CONFIG"}
)
_LONGEST_SOCKET = 90
_CACHE = "ccache"


def run(
    steps: Sequence[Step],
    hosts: Mapping[str, Mapping[str, Any]],
    secrets: Callable[[str], str],
    *,
    run_tag: str,
    check: bool = False,
    turn: Turn | None = None,
    ticket: Callable[[Path], None] | None = None,
    marker: WorkMarker | None = None,
    on_task: Callable[[str, str, str], None] = lambda gateway, role, task: None,
    cancelled: Callable[[], bool] = lambda: False,
    root: Path | None = None,
) -> dict[str, StepResult]:
    """Run the steps' roles on their gateways, each gateway by itself, in the order given; by step id, one for each.

    `hosts` has each gateway's connection variables; one without a step of its own lends its files to another's.
    `secrets` answers a gateway's name with its password and `secret:REFERENCE` with that secret. `turn` is the login
    guard's, around each log-in; `ticket` writes a credential cache for all of them, where they are by Kerberos: where
    it cannot, nothing is begun. `run_tag` goes into the environment of all that is started. `check` changes nothing and
    gives differences. `marker` is left on each gateway while its roles run, with its steps' ids; where another
    journal's stands, all steps there are `held`. `on_task` (gateway, role, task) must not raise. When `cancelled` turns
    true the children are killed; what they had not said is unknown.
    A gateway's steps must be of different roles.
    """
    root = root or resources.root()
    base = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix=_prefix(run_tag), dir=base if len(base) < _LONGEST_SOCKET // 2 else "/tmp"))  # noqa: S108
    try:
        inventory = folder / "hosts.yml"
        inventory.write_text(tagged(of_run(steps, hosts, marker, guarded=turn is not None)), "utf-8")
        events: list[Mapping[str, Any]] = []
        if ticket is not None:
            try:
                ticket(folder / _CACHE)
            except GatewayError as error:
                return _not_begun(steps, error)

        def found(gateway: str, role: str, there: Any) -> None:
            events.append({"event": FOUND, "event_data": {"host": gateway, "role": role, "there": there}})

        with SecretsSocket(folder / "ask", hosts.keys() | secrets_of(steps), secrets, turn, found):
            said = _play(folder, root, run_tag, len(hosts), check, _keeper(events, on_task), cancelled)
        return by_step(steps, events, said, check)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _not_begun(steps: Sequence[Step], error: GatewayError) -> dict[str, StepResult]:
    """Each step by what kept us from logging in anywhere."""
    result: Literal["refused", "unreachable"] = "refused" if isinstance(error, Refused) else "unreachable"
    return {step.id: StepResult(result=result, message=f"{error.message}. {error.hint}") for step in steps}


def end_run(run_tag: str) -> int:
    """End what a run that died left behind: its processes and its folder. How many processes there were.

    Errors: OSError when some of them cannot be ended.
    """
    ended = processes.end(run_tag)
    for base in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108
        for folder in Path(base).glob(f"{_prefix(run_tag)}*"):
            shutil.rmtree(folder, ignore_errors=True)
    return ended


def _prefix(run_tag: str) -> str:
    return f"provisioner-{run_tag}-"


def _keeper(
    events: list[Mapping[str, Any]], on_task: Callable[[str, str, str], None]
) -> Callable[[Mapping[str, Any]], bool]:
    begun = time.monotonic()

    def keep(event: Mapping[str, Any]) -> bool:
        if "host" in (event.get("event_data") or {}):
            events.append(event)
            data = event["event_data"]
            if "duration" in data:
                data["duration"] = _as_long(data["duration"], time.monotonic() - begun)
            if event["event"] == "runner_on_start" and data.get("role"):
                on_task(data["host"], data["role"], data.get("task", ""))
        # ansible-runner throws away what is not answered with True, and with an OSError everything.
        return True

    return keep


def _as_long(told: object, most: float) -> float:
    """What a task took. ansible-runner tells it by the clock, which may have been set meanwhile: it is no less than
    nothing, and no more than what all of the play has taken."""
    return max(0.0, min(told, most)) if isinstance(told, int | float) and math.isfinite(told) else 0.0


def _play(
    folder: Path,
    root: Path,
    run_tag: str,
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
    config.env = _environment(config.env, folder, root, run_tag)
    # The script of the same installation as ourselves, whatever PATH says.
    config.command[0] = str(Path(sys.executable).with_name("ansible-playbook"))

    def cancel() -> bool:
        if not cancelled():
            return False
        # The workers first: they are in sessions of their own, and ansible-runner ends only their parent.
        processes.end(run_tag)
        return True

    # With a cancel_callback ansible-runner leaves our signal handlers alone.
    runner = ansible_runner.Runner(config, event_handler=keep, cancel_callback=cancel, remove_partials=True)
    try:
        status, code = runner.run()
    finally:
        processes.end(run_tag)
    if status == "canceled":
        return "it was stopped before it was done"
    with runner.stdout as printed:
        return f"Ansible ended with {code}: {clean(last_words(printed.read()))}"


def _environment(prepared: Mapping[str, str], folder: Path, root: Path, run_tag: str) -> dict[str, str]:
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
        # Also where there is no such file: nobody else's ticket is to be taken for ours.
        "KRB5CCNAME": f"FILE:{folder / _CACHE}",
        processes.VARIABLE: run_tag,
    }
