"""What a gateway answered that did not let us in: faults, Kerberos, what Ansible says."""

import errno
import http.client
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import spnego.exceptions

from provisioner.errors import BadAnswer, GatewayError, Refused, TimedOut, Unreachable
from provisioner.transport import diagnosis
from tests.transport.gss import SECOND, GssError

# As these came, in English and German.
FAULT_CASES = {
    "pipe109": (109, "The pipe has been ended. "),
    "host2": (
        2,
        "The service was unable to start the host process to process the given request. Make sure that the host server "
        "and proxy for the WSMan provider are properly registered.",
    ),
    "key1018": (
        1018,
        "The WSMan service could not launch a host process to process the given request.  Make sure the WSMan provider "
        "host server and proxy are properly registered.",
    ),
    "key1018german": (
        1018,
        "Der WSMan-Dienst konnte keinen Hostprozess starten, um die angegebene Anforderung zu verarbeiten.",
    ),
}


NOW = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)


def test_nothing_of_a_header_or_a_fault_reaches_a_terminal_raw() -> None:
    nasty = "IIS\a\x1b[2J\x9b31m\u202egnp.exe\u2028\ud800\r\nX: y"
    for said in (
        diagnosis.status(503, nasty),
        diagnosis.fault((6,), "", nasty),
        diagnosis.breaking(http.client.BadStatusLine(nasty), first=False, tls=False),
        diagnosis.connecting(OSError(errno.EPROTO, nasty), "gw", 1),
        diagnosis.kerberos(RuntimeError(nasty), nasty),
        diagnosis.not_offered("ntlm", [f"{nasty} x", "y" * 100_000]),
    ):
        assert said is not None
        assert (said.message + said.hint).isprintable()
        assert len(said.message) < 3000


@pytest.mark.parametrize(
    ("numbers", "subcode", "kind", "words"),
    [
        ((2150859173, None), "w:QuotaLimit", Unreachable, "no room"),
        ((2150859236, None), "", Unreachable, "no room"),
        # Windows has the number of a quota in MSFT_WmiError, beside one that says nothing.
        ((None, 2150859174), "", Unreachable, "no room"),
        ((None, None), "w:QuotaLimit", Unreachable, "no room"),
        ((5, None), "w:AccessDenied", Refused, "no rights"),
        ((2147942405, None), "w:InternalError", Refused, "no rights"),
        ((1385, None), "", Refused, "may not log on over the network"),
        ((1909, None), "", Refused, "locked"),
        ((1331, None), "", Refused, "disabled"),
        ((1330, None), "", Refused, "password has expired"),
        ((1398, None), "", Refused, "clocks"),
        ((2150859180, None), "", Refused, "remote shells"),
        ((2150858752, None), "a:DestinationUnreachable", BadAnswer, "no command shell"),
        ((-2144108544, None), "", BadAnswer, "no command shell"),
        ((None, None), "a:DestinationUnreachable", BadAnswer, "no command shell"),
        ((109, None), "", Unreachable, "what ran for us there was ended"),
        ((232, None), "", Unreachable, "what ran for us there was ended"),
        ((233, None), "", Unreachable, "what ran for us there was ended"),
        ((995, None), "", Unreachable, "what ran for us there was ended"),
        ((2147943395, None), "", Unreachable, "what ran for us there was ended"),
        ((2, None), "", Unreachable, "cannot start its host process"),
        ((1018, None), "", Unreachable, "cannot start its host process"),
        ((0x80080005, None), "", Unreachable, "cannot start its host process"),
        ((-2146959355, None), "", Unreachable, "cannot start its host process"),
        ((0x80338111, None), "", BadAnswer, "no message of that size"),
        ((0x80338048, None), "w:EncodingLimit", BadAnswer, "no message of that size"),
        ((112, None), "", Unreachable, "disk is full"),
        ((1392, None), "", Unreachable, "damaged"),
        ((225, None), "", BadAnswer, "antivirus"),
        # A policy's block says nothing of the account: the guard must not count it.
        ((1260, None), "", BadAnswer, "a policy there blocks"),
        ((4551, None), "", BadAnswer, "a policy there blocks"),
        ((1067, None), "", Unreachable, "what ran for us there was ended"),
        ((1312, None), "", Unreachable, "our shell there was ended"),
        ((1380, None), "", Refused, "may not log on over the network"),
        ((1935, None), "", Refused, "not trusted"),
        ((0x80041003, None), "", Refused, "no rights"),
        ((121, None), "", TimedOut, "gave up waiting"),
        ((0x80338190, None), "", BadAnswer, "configuration"),
        ((1355, None), "", Unreachable, "domain controller"),
        ((6, None), "", BadAnswer, "WinRM says: Zu viele"),
        ((0x803381FF, None), "", BadAnswer, "WinRM says: Zu viele"),
    ],
)
def test_faults_are_told_apart_in_any_language(
    numbers: tuple[int | None, ...], subcode: str, kind: type[GatewayError], words: str
) -> None:
    said = diagnosis.fault(numbers, subcode, "Zu viele\r\n  Shells.")
    assert type(said) is kind
    assert words in said.message
    assert said.message.endswith("Zu viele Shells.")
    assert said.hint


def test_a_number_in_a_faults_words_counts_where_no_other_is_known() -> None:
    said = diagnosis.fault((0, None), "", "Ausführung des Servers fehlgeschlagen (0x80080005)")
    assert "cannot start its host process" in said.message


@pytest.mark.parametrize("case", sorted(FAULT_CASES))
def test_faults_from_the_field(case: str) -> None:
    """Case 14: of Ansible's issue 75227, pypsrp's 36 and NetExec's 72."""
    number, reason = FAULT_CASES[case]
    said = diagnosis.fault((number, None), "", reason)
    assert ("ended" if number == 109 else "cannot start its host process") in said.message
    assert "ry again" in said.hint
    assert not said.absent


class Krb5Error(Exception):
    """An error of the Kerberos library itself, whose number has a sign."""

    def __init__(self, number: int) -> None:
        super().__init__("Cannot contact any KDC")
        self.err_code = number - 1765328384


class SpnegoError(Exception):
    """As pyspnego wraps either."""

    def __init__(self, base_error: Exception) -> None:
        super().__init__("SpnegoError (4294967295)")
        self.base_error = base_error


@pytest.mark.parametrize("number", [29, 156, 220, 224])
@pytest.mark.parametrize("kind", [GssError, Krb5Error])
def test_a_domain_that_is_away_is_no_refusal(kind: Callable[[int], Exception], number: int) -> None:
    """Case 16: the guard must not take it for a password that was refused. In each form in which the number comes."""
    caused = RuntimeError("no log-in")
    caused.__cause__ = kind(number)
    for error in (kind(number), SpnegoError(kind(number)), SpnegoError(SpnegoError(kind(number))), caused):
        said = diagnosis.kerberos(error, "who")
        assert (type(said), said.absent) == (Unreachable, False)
        assert "no domain controller answers" in said.message


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (0x80090311, Unreachable, "no domain controller answers"),
        (0x80090350, Unreachable, "no domain controller answers"),
        (0x80090303, Unreachable, "does not know this gateway's name"),
        (0x80090322, Unreachable, "another computer answers"),
        (0x80090324, Refused, "clocks"),
        (0x80090342, Refused, "no encryption"),
        (0x8009030C, Refused, "the name or the password is wrong"),
        (0x8009030E, Refused, "no account here"),
        (0x80090317, Refused, "ticket has expired"),
        (0x80070775, Refused, "locked"),
        (1330, Refused, "password has expired"),
    ],
)
def test_windows_own_kerberos_is_told_by_its_status(status: int, kind: type[GatewayError], words: str) -> None:
    # With a sign, as Windows hands it to Python, and without; as pyspnego wraps it.
    for number in (status, status - 2**32 if status >= 2**31 else status):
        under = spnego.exceptions.NativeError("In der Sprache dieses Windows", winerror=number)
        error = spnego.exceptions.SpnegoError(base_error=under, context_msg="Getting SSPI credential")
        said = diagnosis.kerberos(error, "who", "gw.example")
        assert (type(said), said.absent) == (kind, False)
        assert words in said.message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("Ticket cache trouble (-1765328243)"), "there is no ticket"),
        (RuntimeError("No KCM server found (-1750600181)"), "keeps the tickets does not answer"),
        (GssError(10**6, major=7 << 16), "there is no ticket"),
        (GssError(10**6, major=11 << 16), "the ticket has expired"),
    ],
)
def test_no_ticket_by_the_words_or_the_major_status(error: Exception, words: str) -> None:
    assert words in diagnosis.kerberos(error, "who").message


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (6, Refused, "does not know the account"),
        (133, Refused, "no name of Kerberos"),
        (134, Refused, "no name of Kerberos"),
        (135, Unreachable, "not set up"),
        (136, Unreachable, "not set up"),
        (67, Refused, "there is no ticket"),
        (203, Refused, "there is no ticket"),
        (140, Refused, "no ticket cache of that kind"),
        (246, Refused, "no ticket cache of that kind"),
        (SECOND + 7, Refused, "no ticket cache of that kind"),
        (SECOND + 9, Refused, "keeps the tickets does not answer"),
        (SECOND + 11, Refused, "keeps the tickets does not answer"),
        (217, Unreachable, "does not know where that realm's domain controllers are"),
        (236, Refused, "no encryption"),
        (8, Unreachable, "more than once"),
        (19, Unreachable, "this gateway's own account"),
        (141, Refused, "there is no ticket"),
        (143, Refused, "there is no ticket"),
        (148, Refused, "clocks are too far apart"),
        (152, Refused, "no encryption"),
        (154, Unreachable, "does not know where that realm's domain controllers are"),
        (193, Refused, "ticket cache cannot be read"),
        (181, Refused, "no key of that account"),
        (235, Refused, "keytab cannot be read"),
        (199, Refused, "ticket cache cannot be read"),
        (35, Unreachable, "another computer answers"),
        (155, Unreachable, "does not know this gateway's name"),
        (195, Refused, "there is no ticket"),
        (7, Unreachable, "does not know this gateway's name"),
        (18, Refused, "locked, disabled or expired"),
        (23, Refused, "password has expired"),
        (24, Refused, "password is wrong"),
        (32, Refused, "ticket has expired"),
        (37, Refused, "clocks are too far apart"),
        (41, Unreachable, "another computer answers"),
        (60, Unreachable, "no more than that something went wrong"),
        (40, Refused, "Unspecified GSS failure"),
    ],
)
def test_kerberos_is_told_apart_by_its_numbers(number: int, kind: type[GatewayError], words: str) -> None:
    said = diagnosis.kerberos(GssError(number), "admin@EXAMPLE.TEST")
    assert type(said) is kind
    assert "no Kerberos log-in of admin@EXAMPLE.TEST: " in said.message
    assert words in said.message
    assert said.hint


@pytest.mark.parametrize(
    ("transport", "offers", "words"),
    [
        ("ntlm", ["Kerberos"], "does not take ntlm log-ins, it offers Kerberos"),
        ("basic", ["Negotiate", "Kerberos"], "it offers Kerberos, Negotiate"),
        ("ntlm", ["Negotiate", 'Basic realm="WSMAN"'], ""),
        ("kerberos", ["negotiate"], ""),
        ("ntlm", [], ""),
    ],
)
def test_a_way_in_that_is_not_offered(transport: str, offers: list[str], words: str) -> None:
    said = diagnosis.not_offered(transport, offers)
    assert (said is not None) == bool(words)
    assert said is None or words in said.message


@pytest.mark.parametrize(("seconds", "words"), [(1200, "20 minutes ahead of ours"), (-660, "11 minutes behind ours")])
def test_a_refusal_says_that_the_clock_is_wrong(seconds: int, words: str) -> None:
    date = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    said = diagnosis.refused("kerberos", "the ticket's owner", diagnosis.clock_apart(date, NOW))
    assert said.message.endswith(words)
    assert said.hint.startswith("First mend the clock")


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 23 Nov 2026 20:18:00 GMT"])
def test_a_clock_that_is_right_or_not_told_is_not_mentioned(date: str) -> None:
    said = diagnosis.refused("ntlm", "LAB\\admin", diagnosis.clock_apart(date, NOW))
    assert "clock" not in said.message + said.hint
    assert "NTLM does not say which" in said.message


@pytest.mark.parametrize(
    ("words", "is_so"),
    [
        (f"Task failed: {diagnosis.REFUSED}in whatever words", True),
        (f"Task failed: {diagnosis.NOT_TRIED}in whatever words", True),
        ("Task failed: no log-in was tried here: 5 others were refused with this account", False),
        ("ntlm: HTTPSConnectionPool(host='x'): certificate verify failed: certificate has expired", False),
        ("Access is denied", False),
    ],
)
def test_what_ansible_says_of_a_refused_log_in(words: str, is_so: bool) -> None:
    assert diagnosis.rejected(words) is is_so


def test_what_our_two_sides_tell_each_other_is_a_mark_and_no_sentence() -> None:
    plugin = (Path(__file__).parents[2] / "plugins" / "connection" / "guarded_winrm.py").read_text("utf-8")
    assert "from provisioner.transport.diagnosis import BROKE, NOT_TRIED, REFUSED" in plugin
    said = f"Task failed: {diagnosis.BROKE}in whatever words"
    assert diagnosis.broke(said)
    assert not diagnosis.broke("Task failed: the connection broke in the middle of a task: reset")
    assert diagnosis.unmarked(said) == "Task failed: in whatever words"
