"""Plain Ansible on a fleet folder: the inventory plugin and the lookup, run by Ansible's own commands."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLEET = """
version: 1
endpoints: [192.0.2.5, 192.0.2.9, 192.0.2.15, 192.0.2.16]
lab: true
connection: {transport: ntlm, tls: false, user: admin, credential: file, credential_file: password, port: 15985}
"""
ROWS = """practice,name,gateway,address,role
A81001,The {{ 1+1 }} Surgery,gw1,127.0.0.1,active
A81002,Second,gw2,127.0.0.1,candidate
A81003,Third,,,
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "fleet.yml").write_text(FLEET, "utf-8")
    (folder / "practices.csv").write_text(ROWS, "utf-8")
    (folder / "password").write_text("marked-word\n", "utf-8")
    (folder / "password").chmod(0o600)
    return folder


def ansible(command: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"ansible.cli.{command}", "-i", "inventory/provisioner.yml", *options],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def message(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ansible("adhoc", "all", "-c", "local", "-m", "ansible.builtin.debug", "-a", f"msg={text}", **environment)


def test_a_fleet_folder_is_an_inventory(fleet: Path) -> None:
    listed = ansible("inventory", "--list", PROVISIONER_FLEET=str(fleet))
    assert listed.returncode == 0, listed.stderr
    hosts = json.loads(listed.stdout)["_meta"]["hostvars"]
    assert list(hosts) == ["gw1"]
    assert hosts["gw1"]["ansible_port"] == 15985
    assert hosts["gw1"]["provisioner_roles"]
    assert "marked-word" not in listed.stdout + listed.stderr


def test_text_of_a_row_is_never_a_template(fleet: Path) -> None:
    package = f"packages: {{connector: {{path: 'C:\\c.zip', sha256: {'a1' * 32}}}}}\n"
    files = "connector: {files: [{path: c.txt, template: c.j2}]}\n"
    (fleet / "fleet.yml").write_text(FLEET + package + files, "utf-8")
    (fleet / "c.j2").write_text("{{ practice_name }}", "utf-8")
    shown = message("{{ connector_files[0].variables.practice_name }}", PROVISIONER_FLEET=str(fleet))
    assert "The {{ 1+1 }} Surgery" in shown.stdout, shown.stdout + shown.stderr


def test_every_fault_of_the_folder_is_told_and_nothing_runs(fleet: Path) -> None:
    (fleet / "practices.csv").write_text(
        ROWS + "E84001,A,gw1,127.0.0.1,active\nA8100O,B,gw4,127.0.0.1,active\n", "utf-8"
    )
    refused = message("ran", PROVISIONER_FLEET=str(fleet))
    assert refused.returncode != 0
    assert "practices.csv:5" in refused.stderr
    assert "practices.csv:6" in refused.stderr
    assert "ran" not in refused.stdout.split()


def test_a_password_comes_from_the_file_that_only_its_owner_can_read(fleet: Path) -> None:
    found = message("{{ ansible_password | length }}", PROVISIONER_FLEET=str(fleet))
    assert f'"msg": {len("marked-word")}' in found.stdout, found.stdout + found.stderr
    (fleet / "password").chmod(0o644)
    refused = message("{{ ansible_password | length }}", PROVISIONER_FLEET=str(fleet))
    assert "can be read by others" in refused.stdout + refused.stderr
    assert "marked-word" not in refused.stdout + refused.stderr


def test_with_a_socket_named_provisioner_is_asked_and_not_the_file(fleet: Path, tmp_path: Path) -> None:
    place = tmp_path / "ask"
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen()

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(4096))
                    connection.sendall(b"four")

        thread = threading.Thread(target=answer)
        thread.start()
        found = message(
            "{{ lookup('gateway_secret', 'secret:api') | length }}",
            PROVISIONER_FLEET=str(fleet),
            PROVISIONER_ASK=str(place),
        )
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    # Ansible looks at the password too, as it does before any task.
    assert set(asked) == {b"gw1\n", b"secret:api\n"}
    assert '"msg": 4' in found.stdout, found.stdout + found.stderr
