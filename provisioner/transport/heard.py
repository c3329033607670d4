"""One HTTP answer as it comes, taken apart by llhttp, which refuses what could be read in two ways."""

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httptools

# One message of the protocol is at most 500 KB on Windows; more than this is not an answer to what we ask.
LARGEST_MESSAGE = 4 * 2**20
# Of what comes before a message: its status line and headers, and every "100 Continue" before them.
LARGEST_HEAD = 128 * 2**10
# So much of what is no HTTP is told; of what begins as HTTP does, what is wrong with it.
_TOLD, _HTTP = 80, b"HTTP/"


class TooMuch(Exception):
    """More came back than any answer to what we ask is long."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer, whole. `headers` are by their names in small letters, in the order in which they came; `last`:
    the other side says nothing more on this line."""

    status: int
    headers: Mapping[str, Sequence[str]]
    content: bytes
    last: bool

    def __getitem__(self, header: str) -> str:
        return next(iter(self.headers.get(header.lower(), ())), "")

    @property
    def offers(self) -> Sequence[str]:
        """The ways of logging in that it offers, as its WWW-Authenticate headers have them."""
        return self.headers.get("www-authenticate", ())


class Heard:
    """What has come of an answer. `begun`: anything has.

    Errors of `hear`: TooMuch; http.client.HTTPException for what is no HTTP, and its RemoteDisconnected and
    IncompleteRead for an answer that never came or was cut off.
    """

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.begun = False
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, list[str]] = {}
        self._pieces: list[bytes] = []
        self._head, self._read, self._room = True, 0, LARGEST_HEAD

    def hear(self, data: bytes) -> None:
        """The next bytes; none: the line was closed."""
        if not data:
            self._closed()
            return
        first, self.begun = not self.begun, True
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if first and self._head and not data.startswith(_HTTP):
                raise http.client.BadStatusLine(data[:_TOLD].decode("latin-1")) from error
            # What our own calls raise, llhttp's library only has behind its own error.
            raise http.client.HTTPException(str(error.__context__ or error)) from error
        if self._read > self._room:
            raise TooMuch

    def close(self) -> None:
        """Nothing more is heard. The parser holds on to us as we do to it: answers would stay until Python looks for
        such rings, which it does seldom where much is held."""
        del self._parser

    def on_message_begin(self) -> None:
        """llhttp's: an answer begins."""
        if self.answer is not None:
            raise ValueError("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """llhttp's: one header is whole."""
        # What stands behind a message in pieces is no header of the answer.
        if self._head:
            self._headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip())

    def on_headers_complete(self) -> None:
        """llhttp's: what follows is the message."""
        if not self._goes_on():
            self._head, self._room = False, self._read + LARGEST_MESSAGE

    def on_body(self, body: bytes) -> None:
        """llhttp's: a piece of the message."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """llhttp's: the message is whole."""
        if self._goes_on():
            self._headers.clear()
        else:
            self._end(last=not self._parser.should_keep_alive())

    def _goes_on(self) -> bool:
        """Whether it is no answer yet, as "100 Continue" is none."""
        return self._parser.get_status_code() // 100 == 1

    def _closed(self) -> None:
        if not self.begun:
            raise http.client.RemoteDisconnected("Remote end closed connection without response")
        if self._head or {"content-length", "transfer-encoding"} & self._headers.keys():
            raise http.client.IncompleteRead(b"".join(self._pieces))
        # Of one that does not say how long it is, that is the end.
        self._end(last=True)

    def _end(self, *, last: bool) -> None:
        self.answer = Answer(
            status=self._parser.get_status_code(), headers=self._headers, content=b"".join(self._pieces), last=last
        )
