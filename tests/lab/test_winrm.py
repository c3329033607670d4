"""The lab's WinRM as strict as Windows, held to it by three clients that know nothing of the lab."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pypsrp.client import Client
from pypsrp.exceptions import AuthenticationError
from winrm.exceptions import (
    InvalidCredentialsError,
    WinRMOperationTimeoutError,
    WinRMTransportError,
    WSManFaultError,
)
from winrm.protocol import Protocol

from provisioner.lab import Handle
from provisioner.lab.wsman import commands
from provisioner.lab.wsman.shell import MOST_SHELLS
from tests.fixtures.evidence import VALIDATOR
from tests.lab.winrm import (
    BOOT,
    SCRIPT,
    SETTINGS,
    VARIABLE,
    closing,
    document,
    fleet,
    has_variable,
    lab,
    payload,
    protocol,
    pywinrm,
    read,
    refused,
    run,
    set_variable,
)

__all__ = ["fleet", "lab", "protocol"]  # fixtures


def test_the_bootstrap_is_the_one_that_remote_sends() -> None:
    assert " ".join(["powershell.exe", *BOOT]) == commands.BOOTSTRAP


@pytest.mark.parametrize(
    "options",
    [{}, {"tls": True}, {"transport": "basic"}],
    ids=["ntlm", "ntlm-tls", "basic-tls"],
)
def test_pywinrm_reads_a_gateway(lab: Handle, options: dict[str, Any]) -> None:
    protocol = pywinrm(lab, **options)
    found = document(read(protocol))
    closing(protocol)
    VALIDATOR.validate(found)
    assert found["sections"]["identity"]["data"]["computer_name"] == "GWPC-A10001"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("log_in", ["ntlm", "negotiate"])
def test_pypsrp_runs_a_command(lab: Handle, log_in: str, tls: bool) -> None:
    with Client(
        "127.0.0.1",
        port=lab.tls_port if tls else lab.port,
        path="A20001/wsman",
        username=lab.user,
        password=lab.password,
        auth=log_in,
        ssl=tls,
        cert_validation=str(lab.ca_file) if tls else True,
        no_proxy=True,
    ) as client:
        assert client.execute_cmd("hostname") == ("GWPC-A20001\r\n", "", 0)
        out, errors, code = client.execute_cmd("dir C:\\")
    assert (out, code) == ("", 1)
    assert "Not modelled by the lab: dir" in errors


def test_ansible_pings_and_copies(lab: Handle, tmp_path: Path) -> None:
    common = {
        "ansible_connection": "winrm",
        "ansible_host": "127.0.0.1",
        "ansible_user": lab.user,
        "ansible_password": lab.password,
        "ansible_winrm_transport": "ntlm",
        "ansible_winrm_path": "/A30001/wsman",
        "ansible_winrm_ca_trust_path": str(lab.ca_file),
    }
    plain = {**common, "ansible_port": lab.port, "ansible_winrm_scheme": "http"}
    tls = {**common, "ansible_port": lab.tls_port, "ansible_winrm_scheme": "https"}
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"plain": plain, "tls": tls}}}))
    (tmp_path / "sent.txt").write_text("Llanfair Pŵll\n" * 40_000, "utf-8")

    def ansible(*words: str) -> str:
        command = [str(Path(sys.executable).parent / "ansible"), "-i", str(inventory), *words]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "none.cfg"), "NO_PROXY": "127.0.0.1"}
        (tmp_path / "none.cfg").touch()
        asked = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, cwd=tmp_path
        )
        assert asked.returncode == 0, asked.stdout + asked.stderr
        return asked.stdout

    assert ansible("all", "-m", "ansible.windows.win_ping").count('"ping": "pong"') == 2
    before = lab.state()["A30001"]["disk"]
    ansible("plain", "-m", "ansible.windows.win_copy", "-a", "src=sent.txt dest=C:\\\\ProgramData\\\\sent.txt")
    after = lab.state()["A30001"]["disk"]
    sent = after["files"].pop("c:\\programdata\\sent.txt")
    assert sent["size"] == (tmp_path / "sent.txt").stat().st_size
    assert after["files"] == before["files"], "Ansible's temporary files are gone again"
    assert after["folders"] == before["folders"]


def test_a_reading_leaves_no_trace(lab: Handle) -> None:
    state, events = json.dumps(lab.state()), lab.events()
    protocol = pywinrm(lab)
    read(protocol)
    closing(protocol)
    assert json.dumps(lab.state()) == state
    assert lab.events() == events


def test_anybody_may_identify(lab: Handle) -> None:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{lab.port}/A10001/wsman", data=b"<x/>", headers={"WSMANIDENTIFY": "unauthenticated"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
        assert b"OS: 0.0.0 SP: 0.0 Stack: 3.0" in answer.read()


@pytest.mark.parametrize("options", [{}, {"transport": "basic"}, {"tls": True}], ids=["ntlm", "basic", "tls"])
def test_a_wrong_password_is_refused_and_noted_once(lab: Handle, options: dict[str, Any]) -> None:
    before = len(refused(lab))
    protocol = pywinrm(lab, password="marked-and-wrong", **options)
    with pytest.raises(InvalidCredentialsError):
        protocol.open_shell()
    closing(protocol)
    assert refused(lab)[before:] == ["LAB\\provisioner"]
    assert "marked-and-wrong" not in json.dumps(lab.events())


def test_spnego_with_a_wrong_password_is_refused_and_noted_once(lab: Handle) -> None:
    before = len(refused(lab))
    options = {"username": lab.user, "password": "wrong", "auth": "negotiate", "ssl": False, "no_proxy": True}
    with (
        pytest.raises(AuthenticationError),
        Client("127.0.0.1", port=lab.port, path="A10001/wsman", **options) as client,
    ):
        client.execute_cmd("hostname")
    assert refused(lab)[before:] == ["LAB\\provisioner"]


def test_ntlm_in_the_plain_must_be_sealed(lab: Handle) -> None:
    protocol = pywinrm(lab, message_encryption="never")
    with pytest.raises(WinRMTransportError) as raised:
        protocol.open_shell()
    closing(protocol)
    assert raised.value.code == 500


def test_ntlm_over_tls_must_be_bound_to_the_channel(lab: Handle) -> None:
    protocol = pywinrm(lab, tls=True, send_cbt=False)
    with pytest.raises(InvalidCredentialsError):
        protocol.open_shell()
    closing(protocol)


def test_input_that_is_a_console_never_ends(protocol: Protocol) -> None:
    shell = protocol.open_shell(codepage=65001)
    command = protocol.run_command(shell, "powershell.exe", BOOT, console_mode_stdin=True)
    protocol.send_command_input(shell, command, json.dumps(SETTINGS).encode() + b"\n" + SCRIPT, end=True)
    with pytest.raises(WinRMOperationTimeoutError):
        protocol.get_command_output_raw(shell, command)
    protocol.close_shell(shell, close_session=False)


@pytest.mark.parametrize(
    ("codepage", "printed"), [(65001, b"\xc3\xa9"), (437, b"\x82"), (1252, b"\xe9"), (850, b"\x82")]
)
def test_the_code_page_counts(protocol: Protocol, codepage: int, printed: bytes) -> None:
    _, errors, code = run(protocol, "dir", "C:\\\u00e9", codepage=codepage)
    assert errors.endswith(b"C:\\" + printed + b"\r\n")
    assert code == 1


@pytest.mark.parametrize("text", ["hostname & hostname", "hostname > x", "hostname %TEMP%", 'hostname "%A%"', "a^b"])
def test_what_cmd_would_change_is_no_plain_command(protocol: Protocol, text: str) -> None:
    _, errors, code = run(protocol, text)
    assert b"cmd.exe would interpret" in errors
    assert code == 1


def test_cmd_takes_8191_characters(protocol: Protocol) -> None:
    fits = "x" * 8191
    assert b"Not modelled" in run(protocol, fits)[1]
    assert run(protocol, fits + "x")[1] == b"The command line is too long.\r\n"
    assert b"Not modelled" in run(protocol, fits + "x", skip_cmd_shell=True)[1]


def test_shells_left_open_count(protocol: Protocol) -> None:
    shells = [protocol.open_shell() for _ in range(MOST_SHELLS)]
    with pytest.raises(WSManFaultError) as raised:
        protocol.open_shell()
    assert raised.value.wsman_fault_code == 2150859173
    protocol.close_shell(shells.pop(), close_session=False)
    shells.append(protocol.open_shell())
    for shell in shells:
        protocol.close_shell(shell, close_session=False)


def test_shells_end_by_themselves_when_idle(protocol: Protocol) -> None:
    forgotten = [protocol.open_shell(idle_timeout="PT0S") for _ in range(MOST_SHELLS + 1)]
    with pytest.raises(WSManFaultError) as raised:
        protocol.run_command(forgotten[0], "hostname")
    assert raised.value.wsman_fault_code == 2150858843


def test_a_shell_belongs_to_its_gateway(lab: Handle, protocol: Protocol) -> None:
    shell = protocol.open_shell()
    other = pywinrm(lab, "A20001", transport="basic")
    with pytest.raises(WSManFaultError) as raised:
        other.run_command(shell, "hostname")
    closing(other)
    protocol.close_shell(shell, close_session=False)
    assert raised.value.wsman_fault_code == 2150858843


def test_an_envelope_that_is_too_large_is_refused(protocol: Protocol) -> None:
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "powershell.exe", BOOT, console_mode_stdin=False)
    with pytest.raises(WinRMTransportError) as raised:
        protocol.send_command_input(shell, command, b"x" * 400_000)
    assert raised.value.code == 413
    protocol.close_shell(shell, close_session=False)


def test_an_answer_comes_in_pieces_that_fit_the_client(lab: Handle, protocol: Protocol) -> None:
    lab.set("A10001", "garbage=huge")
    shell = protocol.open_shell(codepage=65001)
    command = protocol.run_command(shell, "powershell.exe", BOOT, console_mode_stdin=False)
    protocol.send_command_input(shell, command, json.dumps(SETTINGS).encode() + b"\n" + SCRIPT, end=True)
    for _ in range(3):
        out, _, _, done = protocol.get_command_output_raw(shell, command)
        assert 100_000 < len(out) < 153_600 * 3 / 4
        assert not done
    protocol.close_shell(shell, close_session=False)


def test_a_command_whose_client_is_gone_runs_to_its_end(lab: Handle) -> None:
    lab.set("A10001", "slow=0.2")
    words, given = payload("win_environment", VARIABLE)
    gone = pywinrm(lab, transport="basic")
    shell = gone.open_shell(codepage=65001)
    command = gone.run_command(shell, "PowerShell", words, console_mode_stdin=False)
    gone.send_command_input(shell, command, given, end=True)
    closing(gone)
    other = pywinrm(lab, transport="basic")
    out, _, code = other.get_command_output(shell, command)
    other.close_shell(shell)
    assert (json.loads(out)["changed"], code) == (True, 0)
    assert has_variable(lab)
    protocol = pywinrm(lab, transport="basic")
    set_variable(protocol, state="absent")
    closing(protocol)


def test_a_module_changes_the_machine_and_not_in_check_mode(lab: Handle, protocol: Protocol) -> None:
    assert set_variable(protocol, _ansible_check_mode=True)["changed"]
    assert not has_variable(lab)
    assert set_variable(protocol)["changed"]
    assert has_variable(lab)
    assert not set_variable(protocol)["changed"]
    assert set_variable(protocol, state="absent")["changed"]


def test_what_is_not_modelled_is_a_failure_that_says_so(protocol: Protocol) -> None:
    words, given = payload("ansible.windows.win_shell", {"_raw_params": "dir"})
    out, _, code = run(protocol, "PowerShell", *words, given=given)
    answer = json.loads(out)
    assert answer["failed"]
    assert "does not model" in answer["msg"]
    assert "win_shell" in answer["msg"]
    assert code == 1


def as_core_2_21(script: str) -> str:
    """The bootstrap of ansible-core 2.21 where it differs in what tells it: it may read a file, and names its input."""
    return script.replace("$input | & $cmd @splat", "$inputData | & $cmd @splat").replace(
        "in $input)", "in $inputData)"
    )


@pytest.mark.parametrize("interpreter", ["powershell", "PowerShell.exe"])
def test_the_payload_of_core_2_21_is_taken(protocol: Protocol, interpreter: str) -> None:
    first = {"name": "exec_wrapper", "params": {"PwshPath": interpreter}}
    words, given = payload("ansible.windows.win_ping", {}, changed=as_core_2_21, first=first)
    assert json.loads(run(protocol, "powershell", *words, given=given)[0])["ping"] == "pong"


def test_a_pc_has_no_other_powershell(protocol: Protocol) -> None:
    words, given = payload(
        "ansible.windows.win_ping", {}, first={"name": "exec_wrapper", "params": {"PwshPath": "pwsh"}}
    )
    out, _, code = run(protocol, "powershell", *words, given=given)
    assert (json.loads(out)["msg"], code) == ("Could not find the specified PowerShell interpreter 'pwsh'.", 1)


@pytest.mark.parametrize(
    "changed",
    [
        lambda script: script.replace("@splat", "@other"),
        lambda _: '$all = $input | Out-String; $parts = $all.Split(@("`0`0`0`0"), 2)',
    ],
    ids=["a later one", "an earlier one"],
)
def test_another_form_of_ansibles_wrapper_is_named_with_those_that_are_known(
    protocol: Protocol, changed: Callable[[str], str]
) -> None:
    words, given = payload("ansible.windows.win_ping", {}, changed=changed)
    out, errors, code = run(protocol, "PowerShell", *words, given=given)
    assert (out, code) == (b"", 1)
    assert b"ansible-core 2.19 to 2.21 (ansible 12 to 14)" in errors


@pytest.mark.parametrize("given", [b"", b"{}", b'{"name": "new_wrapper"}\n\0\0\0\0\n{"tasks": []}'], ids=str)
def test_input_that_ansibles_wrapper_does_not_have_is_shown(protocol: Protocol, given: bytes) -> None:
    words, _ = payload("ansible.windows.win_ping", {})
    out, errors, code = run(protocol, "PowerShell", *words, given=given)
    assert (out, code) == (b"", 1)
    assert b"Sent was: " + given.split(b"\0")[0].strip() in errors


FILE = "C:\\it's here\\a.txt"


@pytest.mark.parametrize(
    ("there", "remove"),
    [
        ("If (Test-Path {path})\n{{\n$res = 0;\n}}\nElse\n{{\n$res = 1;\n}}", "Remove-Item {path} -Force;"),
        ("exit -not (Test-Path -LiteralPath {path})", "Remove-Item {path} -Force -Recurse"),
    ],
    ids=["2.19", "2.21"],
)
@pytest.mark.parametrize(
    ("path", "quoted"), [(FILE, "'C:\\it''s here\\a.txt'"), ("C:\\plain.txt", "C:\\plain.txt")], ids=["quoted", "plain"]
)
def test_what_ansible_asks_of_files_without_its_wrapper(
    lab: Handle, protocol: Protocol, there: str, remove: str, path: str, quoted: str
) -> None:
    params = {"Path": path}
    manifest = json.dumps({"scripts": {}, "actions": [{"name": "winrm_put_file.ps1", "params": params}]})
    words, _ = payload("", {})
    put = f'{{"params": {{}}}}\n\0\0\0\0\n{manifest}\n\0\0\0\0\n' + base64.b64encode(b"x").decode()
    assert run(protocol, "PowerShell", *words, given=put.encode())[2] == 0

    def code(script: str) -> int:
        encoded = base64.b64encode(script.format(path=quoted).encode("utf-16-le")).decode()
        answer: int = run(protocol, "PowerShell", "-NoProfile", "-EncodedCommand", encoded)[2]
        return answer

    assert [code(there), code(remove), code(there), code(remove)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("place", "message"),
    [("http://127.0.0.1:{port}/packages/none.zip", "404"), ("http://192.0.2.1/x.zip", "this machine only")],
)
def test_a_package_that_is_not_there_is_told_at_once(lab: Handle, protocol: Protocol, place: str, message: str) -> None:
    given = {"source": "url", "location": place.format(port=lab.port), "sha256": "0" * 64, "destination": "C:\\x"}
    words, said = payload("package_tree", given)
    answer = json.loads(run(protocol, "PowerShell", *words, given=said)[0])
    assert answer["failed"]
    assert message in answer["msg"]
