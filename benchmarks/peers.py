"""The same script on the same gateways by others, in a pool of threads or of forks: what there is without provisioner.

`python -m benchmarks.peers FOLDER WHO` reads every gateway of a lab's fleet folder and throws the answers away. WHO:
`pywinrm` (its Protocol), `pypsrp` (its WinRS), `ansible` (a play of one task) or `modules` (a play of a task for each
thing that a module of Ansible's can tell). The lab does not play PowerShell, so that Ansible's one task is its smallest
module instead of the script, and what no module tells (Defender's exclusions, the firewall's rules, what runs, whether
an endpoint is reached) is left out of `modules`: both cost Ansible less than all of it would.

pyinfra and Fabric are not here because they cannot do it: both reach hosts by SSH, which no gateway has. pyinfra's
connector for WinRM was taken out of it with version 2; Fabric never had one.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import OptionSet, WSMan
from winrm.protocol import Protocol

from provisioner.evidence import question
from provisioner.lab.estate.folder import USER
from provisioner.lab.process import client
from provisioner.model.settings import Settings
from provisioner.transport.winrm import BOOTSTRAP

_AT_ONCE = 200
_FORKS = 50
_SERVICE: dict[str, Any] = {"ansible.windows.win_service_info": {"name": "iPlatoConnector"}}
_WINDOWS = "HKLM:\\SOFTWARE\\Microsoft\\Windows"
_CONNECTOR = "C:\\Program Files\\iPLATO"
# What Ansible's modules can tell of what an audit asks: service, Connector, Windows, Java, a restart that waits.
_TASKS: dict[str, Sequence[dict[str, Any]]] = {
    "ansible": [_SERVICE],
    "modules": [
        _SERVICE,
        {"ansible.windows.win_stat": {"path": _CONNECTOR}},
        {"ansible.windows.win_reg_stat": {"path": f"{_WINDOWS} NT\\CurrentVersion"}},
        {"ansible.windows.win_reg_stat": {"path": "HKLM:\\SOFTWARE\\JavaSoft"}},
        {"ansible.windows.win_reg_stat": {"path": f"{_WINDOWS}\\CurrentVersion\\WindowsUpdate\\Auto Update"}},
    ],
}
_ARGUMENTS = ("-NoProfile", "-NonInteractive", "-Command", BOOTSTRAP)


def main(folder: Path, who: str) -> None:
    """Read them all. Ends with 70 where not one in ten answered."""
    handle = client.find(folder)
    password = (folder / ".provisioner" / "lab" / "password").read_text("utf-8").strip()
    with (folder / "practices.csv").open(encoding="utf-8", newline="") as file:
        names = [row["gateway"] for row in csv.DictReader(file)]
    given = f"{json.dumps(question.question(Settings(version=1)))}\n{question.script()}".encode()
    if who in _TASKS:
        read = _play(handle.port, password, names, _TASKS[who])
    else:
        ask: Callable[..., bytes] = {"pywinrm": _pywinrm, "pypsrp": _pypsrp}[who]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            read = sum(pool.map(partial(_read, partial(ask, handle.port, password, given)), names))
    print(f"{read} of {len(names)}", file=sys.stderr)
    sys.exit(0 if read > 0.1 * len(names) else 70)


def _read(ask: Callable[[str], bytes], name: str) -> bool:
    try:
        return b"#evidence begin" in ask(name)
    except Exception:
        # A pretend gateway that cannot be reached, refuses or hangs up.
        return False


def _pywinrm(port: int, password: str, given: bytes, name: str) -> bytes:
    protocol = Protocol(
        f"http://127.0.0.1:{port}/{name}/wsman",
        transport="ntlm",
        username=USER,
        password=password,
        message_encryption="always",
        proxy=None,
    )
    shell = protocol.open_shell(codepage=65001)
    command = protocol.run_command(shell, "powershell.exe", list(_ARGUMENTS), console_mode_stdin=False)
    protocol.send_command_input(shell, command, given, end=True)
    out, _, _ = protocol.get_command_output(shell, command)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)
    return bytes(out)


def _pypsrp(port: int, password: str, given: bytes, name: str) -> bytes:
    wsman = WSMan(
        "127.0.0.1", port=port, path=f"{name}/wsman", username=USER, password=password, auth="ntlm", ssl=False,
        encryption="always", no_proxy=True,
    )  # fmt: skip
    with wsman, WinRS(wsman, codepage=65001) as shell:
        # By default the PC gives stdin to a console, which has no end, and pypsrp has no argument for that.
        begin = wsman.command

        def command(uri: str, line: Any, option_set: OptionSet, selector_set: Any) -> Any:
            option_set.add_option("WINRS_CONSOLEMODE_STDIN", "FALSE")
            return begin(uri, line, option_set, selector_set)

        wsman.command = command  # type: ignore[method-assign, assignment]
        process = Process(shell, "powershell.exe", list(_ARGUMENTS))
        process.begin_invoke()
        process.send(given, end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        return bytes(process.stdout)


def _play(port: int, password: str, names: Sequence[str], tasks: Sequence[dict[str, Any]]) -> int:
    """By ansible-playbook, facts not gathered, so many forks as Ansible's own manual calls many."""
    connection = {
        "ansible_connection": "winrm", "ansible_host": "127.0.0.1", "ansible_port": port, "ansible_user": USER,
        "ansible_password": password, "ansible_winrm_transport": "ntlm", "ansible_winrm_scheme": "http",
    }  # fmt: skip
    hosts = {name: {"ansible_winrm_path": f"/{name}/wsman"} for name in names}
    play = [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]
    with tempfile.TemporaryDirectory() as place:
        for name, content in (("hosts.yml", {"all": {"vars": connection, "hosts": hosts}}), ("play.yml", play)):
            (Path(place) / name).write_text(yaml.safe_dump(content), "utf-8")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", "-f", str(_FORKS)]
        ran = subprocess.run(
            [*command, "play.yml"], cwd=place, env={**os.environ, "ANSIBLE_HOME": place}, stdout=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    return sum(f" ok={len(tasks)} " in line for line in ran.stdout.splitlines())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
