"""One gateway, one script, one answer, over each log-in; and every way in which it goes wrong, told apart."""

import select
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import BadAnswer, GatewayError, InputError, NotTried, Refused, TimedOut, Unreachable
from provisioner.evidence.answer import parse
from provisioner.evidence.question import question, script
from provisioner.lab.process.client import Handle
from provisioner.model import Gateway, Role
from provisioner.model.settings import Connection, Settings
from provisioner.transport import session, winrm
from provisioner.transport.credentials import LoginGuard
from provisioner.transport.messages import Conversation
from provisioner.transport.session import Login
from tests.transport.calls import shared

__all__ = ["shared"]  # fixtures


SETTINGS = Settings(version=1, endpoints=("192.0.2.5", "198.51.100.9", "203.0.113.15", "203.0.113.16"))


Call = Callable[..., bytes]


# A guard of each call's own; None: one whose turn must not be asked for.
UNGUARDED = LoginGuard()


def no_turn() -> AbstractContextManager[None]:
    raise AssertionError("the turn was taken")


@pytest.fixture
def call(shared: Handle) -> Iterator[Call]:
    """Runs the evidence script on a gateway of the lab."""

    def run(
        name: str = "A84002", *, transport: str = "ntlm", tls: bool | None = None, password: str = "",
        deadline: float = 20, trusted: bool = True, port: int = 0, host: str = "127.0.0.1",
        guard: LoginGuard | None = UNGUARDED,
    ) -> bytes:  # fmt: skip
        # Basic is taken over TLS only.
        tls = transport == "basic" if tls is None else tls
        connection = Connection(
            transport=transport, tls=tls, deadline=deadline, ca_file=str(shared.ca_file) if trusted else ""  # type: ignore[arg-type]
        )  # fmt: skip
        gateway = Gateway(
            name=name, practice=name, practice_name="", address=host, role=Role.ACTIVE, path=f"/{name}/wsman",
            port=port or (shared.tls_port if tls else shared.port),
        )  # fmt: skip
        login = Login(
            transport=connection.transport, user=shared.user, password=password or shared.password,
            turn=no_turn if guard is None else LoginGuard().turn if guard is UNGUARDED else lambda: guard.turn(name),
        )  # fmt: skip
        caller = winrm.Caller(connection=connection, tls=winrm.tls_context(connection, Path()), login=login)
        return winrm.run(gateway, caller, script().encode(), question(SETTINGS, ("account", "disk")))

    yield run
    for gateway in ("A84002", "A84005", "A84006"):
        shared.set(gateway, "none")


@pytest.mark.parametrize(("transport", "tls"), [("ntlm", False), ("ntlm", True), ("basic", True)])
def test_each_log_in_brings_evidence(transport: str, tls: bool, call: Call) -> None:
    data, errors, _ = parse(call(transport=transport, tls=tls))
    assert set(data) == {"account", "disk"}
    assert errors == {}


@pytest.mark.parametrize("tls", [False, True])
def test_a_computer_that_has_no_poll_waits_otherwise(tls: bool, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows has none."""
    monkeypatch.delattr(select, "poll")
    assert set(parse(call(tls=tls))[0]) == {"account", "disk"}


def refusals(shared: Handle) -> list[str]:
    """The sub statuses that the gateways' own logs would hold."""
    return [event["sub_status"] for event in shared.events() if event["event"] == "login_refused"]


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_a_wrong_password_is_refused_with_a_warning_about_locking(transport: str, call: Call, shared: Handle) -> None:
    before = len(refusals(shared))
    with pytest.raises(Refused, match=f"the log-in of .*provisioner by {transport} was refused: a wrong") as caught:
        call(transport=transport, password="wrong")
    assert "can lock the account" in caught.value.hint
    assert "0xC0000234 locked" in caught.value.hint
    assert len(refusals(shared)) == before + 1


@pytest.mark.parametrize(("fault", "status"), [("refuses_login", "0xC000006A"), ("locked_account", "0xC0000234")])
def test_a_gateway_that_refuses_though_the_password_is_right(
    fault: str, status: str, call: Call, shared: Handle
) -> None:
    shared.set("A84005", fault)
    with pytest.raises(Refused, match="locked, disabled, expired"):
        call("A84005")
    assert refusals(shared)[-1] == status


def test_a_refusal_tells_of_a_clock_that_is_wrong(call: Call, shared: Handle) -> None:
    shared.set("A84005", "locked_account", "clock_skew=-1800")
    with pytest.raises(Refused, match="its clock is 30 minutes behind ours"):
        call("A84005")


@pytest.mark.parametrize(
    ("offered", "transport", "words"),
    [("kerberos", "ntlm", "offers Kerberos"), ("basic", "ntlm", "offers Basic"), ("negotiate", "basic", "Negotiate")],
)
def test_a_way_of_logging_in_that_is_not_offered(
    offered: str, transport: str, words: str, call: Call, shared: Handle
) -> None:
    """It is not the password that was refused: none was sent, and the guard lets the others try."""
    shared.set("A84005", f"wrong_transport={offered}")
    before, guard = len(refusals(shared)), LoginGuard()
    for _ in range(3):
        with pytest.raises(Refused, match=words) as caught:
            call("A84005", transport=transport, guard=guard)
    assert "connection.transport" in caught.value.hint
    assert len(refusals(shared)) == before
    assert parse(call(guard=guard))


def test_basic_that_anybody_could_read_is_not_taken_and_no_password_is_sent(call: Call, shared: Handle) -> None:
    before = len(refusals(shared))
    with pytest.raises(Refused, match="does not take basic log-ins, it offers Negotiate") as caught:
        call(transport="basic", tls=False)
    assert "No password was tried" in caught.value.hint
    assert len(refusals(shared)) == before


def test_no_rights_are_no_wrong_password(call: Call, shared: Handle) -> None:
    shared.set("A84005", "no_rights")
    with pytest.raises(Refused, match="logged in, but the account has no rights there: Access is denied") as caught:
        call("A84005")
    assert "administrator" in caught.value.hint


def test_a_password_that_is_taken_back_is_not_sent_again_by_cleaning_up(
    call: Call, shared: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Basic logs in with every message; the guard hears of it, and that gateway is not asked again."""
    run_command = Conversation.run_command

    def meanwhile(self: Conversation, *arguments: Any, **options: Any) -> None:
        shared.set("A84005", "refuses_login")
        return run_command(self, *arguments, **options)

    monkeypatch.setattr(Conversation, "run_command", meanwhile)
    before, guard = len(refusals(shared)), LoginGuard()
    with pytest.raises(Refused):
        call("A84005", transport="basic", guard=guard)
    assert len(refusals(shared)) == before + 1
    with pytest.raises(NotTried, match="refused it before"):
        call("A84005", transport="basic", guard=guard)
    assert len(refusals(shared)) == before + 1


@pytest.mark.parametrize("fault", ["hangs", "hangs=login"])
@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_a_gateway_that_hangs_before_or_in_its_log_in_is_left(
    fault: str, transport: str, call: Call, shared: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOGIN_SECONDS", 0.2)
    shared.set("A84005", fault)
    guard = LoginGuard()
    with pytest.raises(TimedOut, match="said nothing"):
        call("A84005", transport=transport, guard=guard)
    assert parse(call(guard=guard))


def test_a_gateway_that_says_nothing_at_all_does_not_take_a_turn(
    call: Call, shared: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOGIN_SECONDS", 0.2)
    shared.set("A84005", "hangs")
    with pytest.raises(TimedOut):
        call("A84005", guard=None)


DRIPS = ("body", "status", "headers", "continue", "chunks", "trailers", "login")


@pytest.mark.parametrize("stage", DRIPS)
@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_a_gateway_that_drips_holds_neither_a_reading_nor_the_turn_of_others(
    stage: str, transport: str, call: Call, shared: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOGIN_SECONDS", 0.4)
    shared.set("A84005", f"drips={stage}")
    guard, begun = LoginGuard(), time.monotonic()
    with pytest.raises(TimedOut, match="did not come to an end") as caught:
        call("A84005", transport=transport, guard=guard)
    assert time.monotonic() - begun < 5
    assert not caught.value.absent
    assert parse(call(guard=guard))


@pytest.mark.parametrize("stage", DRIPS[:-1])
def test_one_that_begins_to_drip_later_is_left_at_the_deadline(
    stage: str, call: Call, shared: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the log-in, which has a time of its own."""
    run_command = Conversation.run_command

    def meanwhile(self: Conversation, *arguments: Any, **options: Any) -> None:
        shared.set("A84005", f"drips={stage}")
        begun[0] = time.monotonic() + 0.5
        vars(session.Session)["deadline"].fset(self._protocol.transport, begun[0])
        return run_command(self, *arguments, **options)

    begun = [0.0]
    monkeypatch.setattr(session.Session, "deadline", property(lambda self: self._line.deadline, _set_deadline))
    monkeypatch.setattr(Conversation, "run_command", meanwhile)
    with pytest.raises(TimedOut, match="before the deadline"):
        call("A84005")
    assert time.monotonic() - begun[0] < 3


@pytest.mark.parametrize("act", ["end_command", "close_shell"])
def test_one_that_drips_when_all_is_said_holds_nobody(
    act: str, call: Call, shared: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has answered counts, and how old that is said to be does not grow."""
    through = getattr(Conversation, act)

    def meanwhile(self: Conversation) -> None:
        shared.set("A84005", "drips=body")
        through(self)

    monkeypatch.setattr(winrm, "TIDYING_SECONDS", 0.5)
    monkeypatch.setattr(Conversation, act, meanwhile)
    begun = time.monotonic()
    assert parse(call("A84005"))
    assert time.monotonic() - begun < 5


def _set_deadline(ours: session.Session, deadline: float) -> None:
    ours._line.deadline = deadline


def test_waiting_for_ones_turn_does_not_count(call: Call, shared: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited behind one that hangs in its log-in has all of its own time still."""
    waited = time.monotonic() + 1.5

    class Slow:
        def __enter__(self) -> None:
            time.sleep(max(0.0, waited - time.monotonic()))

        def __exit__(self, *_: object) -> None:
            return None

    whole = Login.__init__

    def slowly(self: Login, **given: Any) -> None:
        whole(self, **{**given, "turn": Slow})

    monkeypatch.setattr(Login, "__init__", slowly)
    assert parse(call("A84005", deadline=1.4))


@pytest.mark.parametrize(("fault", "words"), [("proxy", "503 from squid"), ("proxy=407", "wants a log-in")])
def test_a_proxy_in_between_is_no_refusal(fault: str, words: str, call: Call, shared: Handle) -> None:
    shared.set("A84005", fault)
    with pytest.raises(Unreachable, match=words) as caught:
        call("A84005")
    assert "a proxy or a filter in between" in caught.value.hint


def test_a_path_at_which_nothing_is(call: Call) -> None:
    with pytest.raises(Unreachable, match="HTTP status 404") as caught:
        call("A89999")
    assert "connection.path" in caught.value.hint


def test_a_certificate_that_is_not_trusted_is_named_as_such(call: Call) -> None:
    with pytest.raises(Unreachable, match="certificate is not trusted") as caught:
        call(tls=True, trusted=False)
    assert "connection.ca_file" in caught.value.hint


def test_tls_on_the_plain_port_and_plain_on_the_tls_port(call: Call, shared: Handle) -> None:
    with pytest.raises(Unreachable) as caught:
        call(tls=True, port=shared.port)
    assert "connection.tls" in caught.value.hint
    with pytest.raises(Unreachable) as caught:
        call(tls=False, port=shared.tls_port)
    assert "connection.tls" in caught.value.hint


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
    caller = winrm.Caller(connection=connection, tls=None, login=login)
    with pytest.raises(InputError, match="bytes"):
        winrm.run(gateway, caller, b"x" * winrm.LARGEST_INPUT, {})


def test_a_ca_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", "utf-8")
    with pytest.raises(InputError, match="ca_file"):
        winrm.tls_context(replace(Connection(), ca_file="ca.pem"), tmp_path)


def test_an_unchecked_certificate_is_taken(shared: Handle) -> None:
    context = winrm.tls_context(replace(Connection(), check_certificate=False), Path())
    assert context is not None
    assert context.verify_mode is ssl.CERT_NONE
