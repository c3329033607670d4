"""The same script on the same gateways by plain pywinrm in a pool of threads: what there is without provisioner.

`python -m benchmarks.peers FOLDER` reads every gateway of a lab's fleet folder and throws the answers away.
"""

import csv
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from winrm.protocol import Protocol

from provisioner.evidence import question
from provisioner.lab.estate.folder import USER
from provisioner.lab.process import client
from provisioner.model.settings import Settings
from provisioner.transport.winrm import BOOTSTRAP

_AT_ONCE = 200


def main(folder: Path) -> None:
    """Read them all. Ends with 1 where not one in ten answered."""
    handle = client.find(folder)
    password = (folder / ".provisioner" / "lab" / "password").read_text("utf-8").strip()
    with (folder / "practices.csv").open(encoding="utf-8", newline="") as file:
        names = [row["gateway"] for row in csv.DictReader(file)]
    given = f"{json.dumps(question.question(Settings(version=1)))}\n{question.script()}".encode()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = sum(pool.map(partial(_read, handle.port, password, given), names))
    print(f"{read} of {len(names)}", file=sys.stderr)
    sys.exit(0 if read > 0.1 * len(names) else 70)


def _read(port: int, password: str, given: bytes, name: str) -> bool:
    protocol = Protocol(
        f"http://127.0.0.1:{port}/{name}/wsman",
        transport="ntlm",
        username=USER,
        password=password,
        message_encryption="always",
        proxy=None,
    )
    try:
        shell = protocol.open_shell(codepage=65001)
        arguments = ["-NoProfile", "-NonInteractive", "-Command", BOOTSTRAP]
        command = protocol.run_command(shell, "powershell.exe", arguments, console_mode_stdin=False)
        protocol.send_command_input(shell, command, given, end=True)
        out, _, _ = protocol.get_command_output(shell, command)
        protocol.cleanup_command(shell, command)
        protocol.close_shell(shell)
    except Exception:
        # A pretend gateway that cannot be reached, refuses or hangs up.
        return False
    return b"#evidence begin" in out


if __name__ == "__main__":
    main(Path(sys.argv[1]))
