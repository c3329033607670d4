"""The evidence script on a real PowerShell engine: what it says of written machines, and what cannot break it."""

import datetime
import fcntl
import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provisioner.evidence import question, shapes
from provisioner.model import Fact
from provisioner.resources import root
from tests.fixtures.every_machine import CASES, asked_of_all
from tests.fixtures.evidence import (
    BEGIN,
    MACHINES,
    SCRIPTS,
    SECTIONS,
    VALIDATOR,
    asked,
    case,
    derived,
    document,
    merged,
    run,
    source,
)

ENVELOPE = 96 * 1024
NO_REGISTRY = "function Get-Values { $null }\nfunction Get-Keys { }\n"


def test_source_is_ascii_and_fits_one_envelope() -> None:
    sent = json.dumps(asked(product_ids=[f"{{{n:036d}}}" for n in range(20)])) + question.script()
    assert len(sent.encode("ascii")) < ENVELOPE


def test_nothing_is_sent_to_systmone_and_nothing_is_changed() -> None:
    """What a read-only script has no use for. Its only connections are those of the endpoints section, to 443."""
    text = source()
    for word in ("40700", "Set-", "Remove-Item", "New-Item", "SetValue", "CreateSubKey", "DeleteValue"):
        assert word not in text
    for word in (
        "WriteAllText",
        "WriteAllBytes",
        "Start-Process",
        "Invoke-Expression",
        "Add-Type",
        "Stop-",
        "Out-File",
    ):
        assert word not in text
    assert text.count("ConnectAsync") == 1


def test_the_registry_is_read_as_64_bit_programs_see_it() -> None:
    """The other half of it has few of the places, and none of those of a 64-bit product."""
    modules = [path.read_text("utf-8") for path in (root() / "plugins" / "modules").glob("*.ps1")]
    text = "\n".join([source(), *modules])
    assert len(re.findall(r"OpenBaseKey\([^)]*, 'Registry64'\)", text)) == text.count("OpenBaseKey(") > 2
    assert "Registry32" not in text


TOKENS = (
    "$tokens = $null; $text = [Console]::In.ReadToEnd(); "
    "$null = [Management.Automation.Language.Parser]::ParseInput($text, [ref]$tokens, [ref]$null); "
    "($tokens | Where-Object Kind -notin 'NewLine', 'Comment').Text"
)


@pytest.mark.engine
def test_what_is_sent_without_comments_and_indents_is_the_same_script(pwsh: str) -> None:
    """A text that goes on in the next line would not be."""
    written, sent = (
        subprocess.run([pwsh, "-NoProfile", "-Command", TOKENS], input=text, capture_output=True, text=True, check=True)
        for text in (source(), question.script())
    )
    assert sent.stdout.splitlines() == written.stdout.splitlines()
    assert len(sent.stdout.splitlines()) > 1000


@pytest.mark.engine
def test_only_what_windows_powershell_5_1_knows(pwsh: str) -> None:
    if "-Check" not in subprocess.run([pwsh, "-?"], capture_output=True, text=True, check=False).stderr:
        pytest.skip("this pwsh has no -Check")
    checked = subprocess.run([pwsh, "-Check", *map(str, SCRIPTS)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.fixture(scope="session")
def answers(pwsh: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script says of every machine in tests/machines, by its name: asked once, by the first of pytest's
    workers that needs it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return asked_of_all(pwsh, tmp_path_factory.mktemp("machines"))
    kept = tmp_path_factory.getbasetemp().parent / "answers.json"
    with kept.open("a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if not (text := file.read()):
            text = json.dumps(asked_of_all(pwsh, tmp_path_factory.mktemp("machines")))
            file.write(text)
            file.flush()
    found: dict[str, Any] = json.loads(text)
    return found


def differences(wanted: Any, found: Any, at: str = "") -> list[str]:
    """Where `found` is not what is wanted; keys that nothing is said of may be anything."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [one for name in wanted for one in differences(wanted[name], found.get(name, "(none)"), f"{at}.{name}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [one for n, (first, second) in pairs for one in differences(first, second, f"{at}[{n}]")]
    same = wanted == found and type(wanted) is type(found)
    return [] if same else [f"{at}: wanted {wanted!r}, found {found!r}"]


@pytest.mark.engine
@pytest.mark.parametrize("name", CASES)
def test_a_machine_is_told_as_it_is(answers: dict[str, Any], name: str) -> None:
    machine, wanted = case(name)
    told = {one: {"data": data, "ms": 0, "error": None} for one, data in machine.get("told", {}).items()}
    answer = {**answers[name], "sections": {**answers[name]["sections"], **told}}
    VALIDATOR.validate(answer)
    errors = {one: part["error"] for one, part in answer["sections"].items() if part["error"]}
    assert errors == {}
    data = {one: part["data"] for one, part in answer["sections"].items()}
    facts = wanted.pop("facts", {})
    assert differences(wanted, data) == []
    found = derived(machine, data)
    assert [said for one, fact in facts.items() for said in unlike(one, fact, found[one])] == []


def unlike(name: str, wanted: Any, fact: Fact) -> list[str]:
    """Where a fact is not the one that is wanted: a value, {"unknown": part of the reason}, {"says": part of it}."""
    if isinstance(wanted, dict) and "unknown" in wanted:
        same = fact.value is None and wanted["unknown"] in fact.reason
    elif isinstance(wanted, dict):
        same = isinstance(fact.value, list) and wanted["says"] in "; ".join(fact.value)
    else:
        same = fact == Fact(value=wanted)
    return [] if same else [f"{name}: wanted {wanted!r}, found {fact}"]


@pytest.mark.engine
def test_the_newest_platform_of_defender_is_the_one_of_the_highest_version(pwsh: str, tmp_path: Path) -> None:
    for version in ("4.18.2.10-0", "4.18.24090.11-0", "4.18.24090.2-0"):
        (tmp_path / "Microsoft\\Windows Defender\\Platform" / version).mkdir(parents=True)
    stubs = """
        function Read-Place { [ordered]@{ place = Split-Path (Get-DefenderPlace) -Leaf } }
        $env:ProgramData = '.'"""
    # On Linux a path with backslashes is one name: the folder is made under that name.
    (tmp_path / ".\\Microsoft\\Windows Defender\\Platform").symlink_to(
        tmp_path / "Microsoft\\Windows Defender\\Platform", target_is_directory=True
    )
    sections = document(run(pwsh, asked("place"), stubs, folder=tmp_path))["sections"]
    assert sections["place"]["data"] == {"place": "4.18.24090.11-0"}


@pytest.mark.engine
def test_no_path_that_defender_is_asked_of_ends_in_a_backslash(pwsh: str) -> None:
    """It would escape the quote after it."""
    stubs = """
        function Get-ServiceState { 'Running' }
        function Get-Program { $true }
        function Invoke-Program($Path, $Arguments) { @{ Code = $Arguments } }"""
    sections = document(run(pwsh, asked("antivirus", image="C:\\i Plato\\"), NO_REGISTRY + stubs))["sections"]
    assert sections["antivirus"]["data"]["effective"]["reason"].endswith('-CheckExclusion -Path "C:\\i Plato"')


@pytest.mark.engine
def test_our_own_service_that_cannot_be_read_is_an_error_and_not_none(pwsh: str, tmp_path: Path) -> None:
    key = "LocalMachine\\SYSTEM\\CurrentControlSet\\Services\\iPlatoConnector"
    machine = merged(
        json.loads((MACHINES / "base.json").read_text("utf-8")), {"machine": {"registry": {key: "denied"}}}
    )
    (tmp_path / "machine.json").write_text(json.dumps(machine["machine"]), "ascii")
    doors = f"$env:PROVISIONER_MACHINE = '{tmp_path}/machine.json'\n" + (MACHINES / "doors.ps1").read_text("ascii")
    sections = document(run(pwsh, asked("service"), doors, folder=tmp_path))["sections"]
    assert sections["service"]["data"] is None
    assert sections["service"]["error"] == "Requested registry access is not allowed."


@pytest.mark.engine
def test_through_the_bootstrap_every_section_asked_for_is_answered(pwsh: str) -> None:
    printed = run(pwsh, asked(endpoints=["127.0.0.1"]))
    assert printed.startswith("#provisioner FullLanguage")
    answer = document(printed)
    VALIDATOR.validate(answer)
    assert list(answer["sections"]) == SECTIONS


@pytest.mark.engine
def test_a_broken_section_costs_itself_only(pwsh: str) -> None:
    stubs = (
        NO_REGISTRY
        + """
        function Read-Identity { throw "broken`n on two lines" }
        function Read-Reboot { 1..3; 'rubbish'; @{ pending = 'rubbish' }
            [ordered]@{ pending = $false; reasons = @() }; $null }
        function Read-Ours { Write-Error 'soft'; [ordered]@{} }
        function Read-Users { 'nothing but text' }
        function Read-Clock { Write-Output '#evidence end'; Write-Host 'x'; Write-Warning 'x'
            $odd = "a`nb`t$([char]1)"
            [ordered]@{ utc = '#evidence begin'; time_zone = $odd; source = $null; service_running = $null } }
        """
    )
    wanted = ("identity", "reboot", "ours", "users", "clock", "nonsense", "java")
    sections = document(run(pwsh, asked(*wanted), stubs))["sections"]
    assert sections["identity"]["data"] is None and sections["identity"]["error"] == "broken on two lines"
    assert sections["ours"]["error"] == "soft"
    assert sections["reboot"]["data"] == {"pending": False, "reasons": []}
    assert sections["users"]["error"] == "the section answered nothing"
    assert sections["nonsense"]["error"] == "this script has no such section"
    assert sections["clock"]["data"]["time_zone"] == "a\nb\t\x01"
    assert sections["java"]["error"] is None and sections["java"]["data"]["present"] is False


@pytest.mark.engine
def test_sections_that_hang_cost_themselves_only(pwsh: str) -> None:
    stubs = (
        NO_REGISTRY
        + """
        function Read-Identity { [Threading.Thread]::Sleep(600000) }
        function Read-Power { while ($true) { } }
        """
    )
    wanted = ("identity", "java", "power", "reboot")
    sections = document(run(pwsh, asked(*wanted, section_seconds=3), stubs))["sections"]
    assert list(sections) == list(wanted)
    for name in ("identity", "power"):
        assert sections[name]["data"] is None and sections[name]["error"] == "no answer after 3 s"
        assert sections[name]["ms"] >= 3000
    assert sections["java"]["error"] is None and sections["reboot"]["error"] is None


@pytest.mark.engine
def test_text_beyond_ascii_comes_back_as_it_went(pwsh: str) -> None:
    text = "Llanfair Pŵll ÉŻ \U0001f600 \"quoted\" \\ '$x' `n <b>&amp;</b> \u2028 \x7f"
    sections = document(run(pwsh, asked("java", java_home=text)))["sections"]
    assert sections["java"]["data"]["home"] == text


@pytest.mark.engine
def test_two_thousand_rules_take_well_under_a_second(pwsh: str) -> None:
    stubs = """
        function Get-ServiceState { 'Running' }
        function Get-Values($Path) {
            if ($Path -notlike '*Parameters\\FirewallPolicy\\FirewallRules') { return $null }
            $texts = 'v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=99|RA4=LocalSubnet|App=C:\\b.exe|Name=n|',
                'v2.31|Action=Allow|Active=TRUE|Dir=Out|Protocol=17|App=%SystemRoot%\\system32\\svchost.exe|Svc=s|Name=n|',
                'v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|RA4=198.51.100.7|Name=n|',
                'v2.31|Action=Allow|Active=TRUE|Dir=Out|LUOwn=S-1-5-21-1|AppPkgId=S-1-15-2-9|Name=n|'
            $rules = @{}
            for ($n = 0; $n -lt 2000; $n++) { $rules["r$n"] = $texts[$n % 4] }
            $rules['mine'] = 'v2.31|Action=Allow|Active=TRUE|Dir=Out|Protocol=6|RA4=192.0.2.5|Name=IPLATO connector|'
            $rules
        }"""
    # Processor time, because a busy tester makes any clock run out.
    timed = """
        function Read-Timed($s) {
            $before = [Diagnostics.Process]::GetCurrentProcess().TotalProcessorTime
            $data = Read-Firewall $s
            $after = [Diagnostics.Process]::GetCurrentProcess().TotalProcessorTime
            $data.ms = [int]($after - $before).TotalMilliseconds
            $data
        }"""
    firewall = document(run(pwsh, asked("timed"), stubs + timed))["sections"]["timed"]["data"]
    assert firewall["rules_read"] == 2001
    assert [one["id"] for one in firewall["rules"]] == ["mine"]
    assert firewall["ms"] < 1000


@pytest.mark.engine
def test_constrained_language_mode_is_said_and_refused(pwsh: str, tmp_path: Path) -> None:
    constrained = "$ExecutionContext.SessionState.LanguageMode='ConstrainedLanguage';"
    printed = run(pwsh, asked("java"), before=constrained)
    assert printed.startswith("#provisioner ConstrainedLanguage")
    assert BEGIN not in printed
    (tmp_path / "script.ps1").write_text(source(), "ascii")
    command = f"{constrained} & '{tmp_path / 'script.ps1'}' -Settings '{{}}'"
    direct = subprocess.run([pwsh, "-NoProfile", "-Command", command], capture_output=True, text=True, check=False)
    assert direct.stdout.strip() == "#evidence refused: PowerShell runs in ConstrainedLanguage here"


class Vendor:
    """Something that listens on loopback: with a certificate, or that takes a connection and says nothing."""

    def __init__(self, address: str, port: int, context: ssl.SSLContext | None) -> None:
        self.heard = b""
        self._context = context
        self._socket = socket.create_server((address, port))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(20)
            if self._context is None:
                while connection.recv(4096):
                    pass
                return
            with self._context.wrap_socket(connection, server_side=True) as secured:
                self.heard = secured.recv(4096)

    def end(self) -> None:
        self._thread.join(20)
        self._socket.close()


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "connect.example.net")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(datetime.datetime(2049, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = serialization.Encoding.PEM
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(text, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(text))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


@pytest.fixture
def vendors(certificate: ssl.SSLContext) -> Iterator[tuple[Vendor, Vendor]]:
    speaking = Vendor("127.0.0.1", 0, certificate)
    yield speaking, (silent := Vendor("127.0.0.2", speaking.port, None))
    for one in (speaking, silent):
        one.end()


@pytest.mark.engine
def test_endpoints_are_greeted_and_told_nothing(pwsh: str, vendors: tuple[Vendor, Vendor]) -> None:
    speaking, _ = vendors
    settings = asked("endpoints", endpoints=["127.0.0.1", "127.0.0.2", "127.0.0.3"], section_seconds=6)
    section = document(run(pwsh, settings, f"function Get-Port {{ {speaking.port} }}"))["sections"]["endpoints"]
    jsonschema.validate(section["data"], shapes.data("endpoints"))
    good, mute, closed = section["data"]["results"]
    assert (good["tcp"], good["tls"], good["trusted"], good["error"]) == (True, True, False, None)
    assert good["subject"] == good["issuer"] == "CN=connect.example.net"
    assert good["not_after"] == "2049-01-01T00:00:00Z"
    assert (mute["tcp"], mute["tls"], mute["error"]) == (True, False, "no answer after 4 s")
    assert (closed["tcp"], closed["tls"], closed["error"]) == (False, None, "ConnectionRefused")
    speaking.end()
    assert speaking.heard == b""
