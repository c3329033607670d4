"""One gateway, one script, one answer, over each log-in; and every way in which it goes wrong, told apart."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner import remote
from provisioner.collect import parse, question, script
from provisioner.credentials import LoginGuard
from provisioner.errors import BadAnswer, GatewayError, InputError, Refused, TimedOut, Unreachable
from provisioner.lab import process
from provisioner.lab.process import Handle
from provisioner.model import Gateway, Role
from provisioner.settings import Connection, Settings
from provisioner.wire import Login
from tests.conftest import rows

SETTINGS = Settings(version=1, endpoints=("192.0.2.5", "198.51.100.9", "203.0.113.15", "203.0.113.16"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    """A lab whose gateway A84002 is well, and whose others are given faults."""
    with process.running(tmp_path_factory.mktemp("remote") / "fleet", rows("A84002", "A84005", "A84006")) as handle:
        yield handle


Call = Callable[..., bytes]


@pytest.fixture
def call(shared: Handle) -> Iterator[Call]:
    """Runs the evidence script on a gateway of the lab."""

    def run(
        name: str = "A84002", *, transport: str = "ntlm", tls: bool = False, password: str = "", deadline: float = 20,
        trusted: bool = True, port: int = 0, host: str = "127.0.0.1",
    ) -> bytes:  # fmt: skip
        connection = Connection(
            transport=transport, tls=tls, deadline=deadline, ca_file=str(shared.ca_file) if trusted else ""  # type: ignore[arg-type]
        )  # fmt: skip
        gateway = Gateway(
            name=name, practice=name, practice_name="", address=host, role=Role.ACTIVE, path=f"/{name}/wsman",
            port=port or (shared.tls_port if tls else shared.port),
        )  # fmt: skip
        login = Login(
            transport=connection.transport, user=shared.user, password=password or shared.password,
            turn=LoginGuard().turn,
        )  # fmt: skip
        caller = remote.Caller(connection=connection, tls=remote.tls_context(connection, Path()), login=login)
        return remote.run(gateway, caller, script(), question(SETTINGS, ("account", "disk")))

    yield run
    for gateway in ("A84002", "A84005", "A84006"):
        shared.set(gateway, "none")


@pytest.mark.parametrize(("transport", "tls"), [("ntlm", False), ("ntlm", True), ("basic", False), ("basic", True)])
def test_each_log_in_brings_evidence(transport: str, tls: bool, call: Call) -> None:
    data, errors, _ = parse(call(transport=transport, tls=tls))
    assert set(data) == {"account", "disk"}
    assert errors == {}


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_a_wrong_password_is_refused_with_a_warning_about_locking(transport: str, call: Call) -> None:
    with pytest.raises(Refused) as caught:
        call(transport=transport, password="wrong")
    assert "can lock the account" in caught.value.hint


def test_a_gateway_that_refuses_though_the_password_is_right(call: Call, shared: Handle) -> None:
    shared.set("A84005", "refuses_login")
    with pytest.raises(Refused):
        call("A84005")


def test_a_certificate_that_is_not_trusted_is_named_as_such(call: Call) -> None:
    with pytest.raises(Unreachable, match="certificate is not trusted") as caught:
        call(tls=True, trusted=False)
    assert "connection.ca_file" in caught.value.hint


def test_tls_on_the_plain_port_and_plain_on_the_tls_port(call: Call, shared: Handle) -> None:
    with pytest.raises(Unreachable) as caught:
        call(tls=True, port=shared.port)
    assert "connection.tls" in caught.value.hint
    with pytest.raises(GatewayError):
        call(tls=False, port=shared.tls_port)


def test_nobody_listens(call: Call) -> None:
    with pytest.raises(Unreachable, match="refused") as caught:
        call(port=9)
    assert "winrm quickconfig" in caught.value.hint


def test_a_name_that_nobody_knows(call: Call) -> None:
    with pytest.raises(Unreachable, match="the name is not known") as caught:
        call(host="no-such-gateway.invalid")
    assert "practices.csv" in caught.value.hint


def test_a_gateway_that_takes_too_long(call: Call, shared: Handle) -> None:
    shared.set("A84005", "slow=30")
    with pytest.raises(TimedOut) as caught:
        call("A84005", deadline=1.0)
    assert "connection.deadline" in caught.value.hint


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("offline", Unreachable),
        ("drops_midway", Unreachable),
        ("garbage=empty", BadAnswer),
        ("garbage=huge", BadAnswer),
    ],
)
def test_faults_are_told_apart(fault: str, kind: type[GatewayError], call: Call, shared: Handle) -> None:
    shared.set("A84006", fault)
    with pytest.raises(kind) as caught:
        parse(call("A84006"))
    assert caught.value.message
    assert caught.value.hint


def test_no_room_for_a_shell_is_no_wrong_password(call: Call, shared: Handle) -> None:
    shared.set("A84006", "shell_quota")
    with pytest.raises(Unreachable, match="no room") as caught:
        call("A84006")
    assert "not a wrong password" in caught.value.hint


def test_no_shell_is_left_open(call: Call) -> None:
    """Windows lets one user have 30 shells: the fortieth reading would find no room if we left any."""
    for _ in range(40):
        call()


def test_more_than_one_envelope_is_refused_before_it_is_sent(call: Call) -> None:
    connection = Connection(transport="basic", tls=False)
    gateway = Gateway(
        name="x", practice="x", practice_name="", address="127.0.0.1", port=9, path="/", role=Role.ACTIVE
    )  # fmt: skip
    login = Login(transport="basic", user="x", password="x", turn=LoginGuard().turn)
    caller = remote.Caller(connection=connection, tls=None, login=login)
    with pytest.raises(InputError, match="bytes"):
        remote.run(gateway, caller, "x" * remote.LARGEST_INPUT, {})


def test_a_ca_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", "utf-8")
    with pytest.raises(InputError, match="ca_file"):
        remote.tls_context(replace(Connection(), ca_file="ca.pem"), tmp_path)


def test_an_unchecked_certificate_is_taken(shared: Handle) -> None:
    context = remote.tls_context(replace(Connection(), check_certificate=False), Path())
    assert context is not None
    assert context.verify_mode is ssl.CERT_NONE
