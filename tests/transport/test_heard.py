"""One HTTP answer, however it comes, and what is refused of one."""

import gc
import http.client
import weakref

import pytest

from provisioner.transport.heard import LARGEST_HEAD, LARGEST_MESSAGE, Answer, Heard, TooMuch

PLAIN = (
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate x\r\nwww-authenticate:  Basic \r\n"
    b"Content-Length: 5\r\n\r\nhello"
)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: a\r\n\r\n"
    b"3\r\nhel\r\n2\r\nlo\r\n0\r\nServer: b\r\nWWW-Authenticate: Basic\r\n\r\n"
)
CONTINUED = b"HTTP/1.1 100 Continue\r\nServer: b\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def heard(*pieces: bytes) -> Answer | None:
    """The answer after those pieces."""
    one = Heard()
    for piece in pieces:
        one.hear(piece)
    return one.answer


@pytest.mark.parametrize("said", [PLAIN, CHUNKED, CONTINUED])
def test_an_answer_is_the_same_however_it_comes(said: bytes) -> None:
    whole = heard(said)
    assert whole is not None
    assert (whole.content, whole.last) == (b"hello", False)
    assert heard(*(said[at : at + 1] for at in range(len(said)))) == whole
    assert heard(said[:-1]) is None


def test_an_answer_is_let_go_when_it_is_done_with() -> None:
    """Hundreds of threads hear eight each: none may wait for Python to look for rings."""
    one = Heard()
    one.hear(PLAIN)
    one.close()
    gone = weakref.ref(one)
    gc.disable()
    try:
        del one
        assert gone() is None
    finally:
        gc.enable()


def test_headers_by_their_names() -> None:
    plain, chunked, continued = heard(PLAIN), heard(CHUNKED), heard(CONTINUED)
    assert plain and chunked and continued
    assert (plain.status, list(plain.offers)) == (401, ["Negotiate x", "Basic"])
    assert plain["Content-Length"] == "5"
    assert plain["Server"] == ""
    # Neither what stands behind a message nor what came before the answer is its header.
    assert (chunked["Server"], list(chunked.offers), continued["Server"]) == ("a", [], "")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_the_last_on_its_line(said: bytes) -> None:
    answer = heard(said)
    assert answer and answer.last


def test_one_that_does_not_say_how_long_it_is_ends_with_its_line() -> None:
    said = b"HTTP/1.1 200 OK\r\n\r\nhello"
    assert heard(said) is None
    answer = heard(said, b"")
    assert answer and answer.content == b"hello" and answer.last


@pytest.mark.parametrize("said", [PLAIN, CHUNKED, CONTINUED])
def test_one_that_is_cut_off_is_no_answer(said: bytes) -> None:
    for at in range(1, len(said)):
        with pytest.raises(http.client.IncompleteRead):
            heard(said[:at], b"")
    with pytest.raises(http.client.RemoteDisconnected):
        heard(b"")


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nContent-Length: 50",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: -5",
        b"Content-Length: 5x",
        b"Content-Length : 5",
        b"no header at all",
        b"Server: a\x00b",
        b"Ser ver: a",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(headers: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        heard(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\nhello", b"")


@pytest.mark.parametrize("more", [PLAIN, b"more"])
def test_two_answers_to_one_question_are_refused(more: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        heard(PLAIN + more)


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"\x00" * 70_000])
def test_what_is_no_http_is_told(said: bytes) -> None:
    with pytest.raises(http.client.BadStatusLine) as caught:
        heard(said)
    assert str(caught.value).startswith(said[:2].decode("latin-1"))
    assert len(str(caught.value)) <= 80


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "Missing expected CR"),
        (b"HTTP/1.1 200 OK\r\nServer: a\r\n b\r\n\r\n", "whitespace"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "Content-Length"),
        (PLAIN + b"more", "a second answer"),
    ],
)
def test_of_what_is_nearly_http_it_is_told_what_is_wrong(said: bytes, told: str) -> None:
    with pytest.raises(http.client.HTTPException, match=told) as caught:
        heard(said)
    assert "HTTP/1.1" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "piece", "most"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1000 + b"\r\n", LARGEST_HEAD),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 1000, LARGEST_HEAD),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40, LARGEST_HEAD),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"a" * 1000, LARGEST_MESSAGE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"a" * 1000 + b"\r\n", LARGEST_MESSAGE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=", b"b" * 1000, LARGEST_MESSAGE),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X-A: " + b"a" * 1000 + b"\r\n",
            LARGEST_MESSAGE,
        ),
    ],
)
def test_what_is_too_long_is_left(said: bytes, piece: bytes, most: int) -> None:
    one = Heard()
    if said:
        one.hear(said)
    with pytest.raises(TooMuch):
        for _ in range(2 * most // len(piece)):
            one.hear(piece)
