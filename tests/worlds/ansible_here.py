"""A real Ansible on the lab's machines without a wire and without a fork: roles, playbook, conditions and filters are
the real ones, and a task costs milliseconds. What WinRM and PowerShell make of it, other tests look at.

`play` takes the place of playbook's own; run as a program, this file is the ansible-playbook.
"""

import functools
import os
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from provisioner.lab import modules
from provisioner.lab.windows.disk import File
from provisioner.lab.windows.machine import Machine, _nobody

ROOT = Path(__file__).resolve().parents[2]
_TMP = "C:\\Users\\provisioner\\AppData\\Local\\Temp\\here"


def play(
    machines: dict[str, Machine], urls: Mapping[str, bytes], now: Callable[[], float] = time.time
) -> Callable[..., str]:
    """What stands in for playbook._play: it acts on these machines, which fetch from these URLs, at that time."""

    def run(folder: Path, root: Path, run_tag: str, forks: int, check: bool, keep: Any, cancelled: Any) -> str:
        for machine in machines.values():
            machine.on_event = _nobody
        given, answer = folder / "given", folder / "answer"
        given.write_bytes(pickle.dumps((machines, dict(urls), str(root), check, now())))
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "PROVISIONER"))
        } | {
            "LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
            "PROVISIONER_ASK": str(folder / "ask"), "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, __file__, str(folder)], env=environment, capture_output=True, text=True, timeout=880
        )
        assert answer.exists(), done.stdout[-3000:] + done.stderr[-3000:]
        after, events = pickle.loads(answer.read_bytes())
        # Shards run at the same time, each with a copy of all: this one's are those of which it says something.
        for name in {event["event_data"]["host"] for event in events}:
            vars(machines[name]).update(vars(after[name]))
        for event in events:
            keep(event)
        return f"Ansible said: {done.stdout[-600:]}"

    return run


class _World:
    """The machines, and what was said of each task, in the shape of ansible-runner's events."""

    def __init__(self, machines: dict[str, Machine], urls: Mapping[str, bytes], now: float) -> None:
        self.machines = machines
        self.urls = urls
        self.now = now
        self.events: list[dict[str, Any]] = []

    def fetch(self, url: str) -> bytes:
        """What a URL holds. Errors: OSError."""
        try:
            return self.urls[url]
        except KeyError:
            raise OSError("The remote server returned an error: (404) Not Found.") from None

    def of(self, connection: Any) -> Machine:
        """The machine at the other end of a connection."""
        return self.machines[connection.get_option("path").strip("/").partition("/")[0]]

    def module(self, name: str, args: Mapping[str, Any], machine: Machine, check: bool, diff: bool) -> dict[str, Any]:
        """One module's answer."""
        name = {"ansible.legacy.stat": "ansible.windows.win_stat"}.get(name, name)
        wanted = {key: value for key, value in args.items() if key != "follow" or name != "ansible.windows.win_stat"}
        try:
            return modules.run(machine, name, _plain(wanted), check=check, diff=diff, fetch=self.fetch, now=self.now)
        except Exception as error:
            return {"failed": True, "msg": f"the lab: {error}", "exception": traceback.format_exc()}


def _plain(value: Any) -> Any:
    """As it is on the wire: JSON, without what Ansible tags."""
    import json

    return json.loads(json.dumps(value, default=str))


def _patch(world: _World) -> None:
    """Take the fork and the wire out of Ansible."""
    from ansible._internal import _task
    from ansible.executor.process.worker import WorkerProcess
    from ansible.executor.task_executor import TaskExecutor
    from ansible.executor.task_result import _RawTaskResult
    from ansible.plugins.action import ActionBase
    from ansible.plugins.connection import winrm

    def start(self: Any) -> None:
        # A fork has its own copy of a task, which the executor fills in.
        task = self._task.copy(exclude_parent=True, exclude_tasks=True)
        task._parent = self._task._parent
        with _task.TaskContext(task):
            said = TaskExecutor(
                self._host, task, self._task_vars, self._play_context.copy(), self._loader, self._shared_loader_obj,
                self._final_q, self._variable_manager,
            ).run()  # fmt: skip
        self._final_q.send_task_result(
            _RawTaskResult(host=self._host, task=self._task, return_data=said, task_fields=task.dump_attrs())
        )

    WorkerProcess.start = start
    WorkerProcess.is_alive = lambda self: False
    WorkerProcess.close = lambda self: None

    def execute(self: Any, module_name: Any = None, module_args: Any = None, *_: Any, **__: Any) -> dict[str, Any]:
        args = self._task.args if module_args is None else module_args
        task = self._task
        return world.module(module_name or task.action, args, world.of(self._connection), task.check_mode, task.diff)

    def temporary(self: Any, *_: Any) -> str:
        self._connection._shell.tmpdir = _TMP
        return _TMP

    ActionBase._execute_module = execute
    ActionBase._make_tmp_path = temporary
    ActionBase._remove_tmp_path = lambda self, *_, **__: None
    ActionBase._remote_expand_user = lambda self, path, *_, **__: path

    def put(self: Any, here: str, there: str) -> None:
        world.of(self).put_file(there.strip("'\""), Path(here).read_bytes(), world.now)

    def fetch(self: Any, there: str, here: str) -> None:
        file = world.of(self).disk.file(there.strip("'\""))
        assert isinstance(file, File) and file.content is not None, there
        Path(here).write_bytes(file.content)

    winrm.Connection._connect = lambda self: self
    winrm.Connection.put_file = put
    winrm.Connection.fetch_file = fetch


def _compile_once() -> None:
    """Each gateway's template is the same text: one compilation is enough for all."""
    from jinja2 import Environment

    compile_, known = Environment.compile, dict[tuple[type, str], Any]()

    def cached(self: Environment, source: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(source, str) or options:
            return compile_(self, source, *args, **options)
        key = (type(self), str(source))
        if key not in known:
            known[key] = compile_(self, source, *args)
        return known[key]

    Environment.compile = cached  # type: ignore[method-assign]


def _callback(world: _World) -> Any:
    from ansible.plugins.callback import CallbackBase

    class Keeper(CallbackBase):  # type: ignore[misc]
        """Tells of tasks as ansible-runner's callback does."""

        CALLBACK_NAME = "keeper"

        def _note(self, event: str, result: Any, ignore_errors: bool = False) -> None:
            task = result.task if hasattr(result, "task") else result._task
            data = {
                "host": result.host.get_name(),
                "task": task.get_name().partition(" : ")[2] or task.get_name(),
                "role": task._role.get_name() if task._role else "",
                "res": _plain(result.result),
                "ignore_errors": ignore_errors,
            }
            world.events.append({"event": event, "event_data": data})

        def v2_runner_on_ok(self, result: Any) -> None:
            self._note("runner_on_ok", result)

        def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
            self._note("runner_on_failed", result, ignore_errors)

        def v2_runner_on_skipped(self, result: Any) -> None:
            self._note("runner_on_skipped", result)

        def v2_runner_on_unreachable(self, result: Any) -> None:
            self._note("runner_on_unreachable", result)

    return Keeper()


def main(folder: Path) -> None:
    """The play, on what was given; what came of it is left beside it."""
    machines, urls, root, check, now = pickle.loads((folder / "given").read_bytes())
    world = _World(machines, urls, now)
    _patch(world)
    _compile_once()
    from ansible.cli.playbook import PlaybookCLI
    from ansible.executor import task_queue_manager

    load = task_queue_manager.TaskQueueManager.load_callbacks

    @functools.wraps(load)
    def also(self: Any) -> None:
        if self._callback_plugins:
            return
        load(self)
        keeper = _callback(world)
        keeper.set_options()
        keeper._init_callback_methods()
        self._callback_plugins.append(keeper)

    task_queue_manager.TaskQueueManager.load_callbacks = also
    options = ["--check", "--diff"] if check else []
    words = ["ansible-playbook", "-i", str(folder / "hosts.yml"), f"{root}/playbooks/rollout.yml", *options]
    cli = PlaybookCLI(words)
    cli.parse()
    code = cli.run()
    (folder / "answer").write_bytes(pickle.dumps((machines, world.events)))
    sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
