"""A lab on loopback and pywinrm on it, for what Windows answers to what is wrong."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPMessage
from ssl import create_default_context
from typing import Any

import pytest
from winrm.protocol import Protocol

from provisioner.lab import Handle, running


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with running(tmp_path_factory.mktemp("strict"), [{"practice": "A10001"}]) as handle:
        yield handle


def pywinrm(lab: Handle, *, tls: bool = True, **options: Any) -> Protocol:
    place = f"https://127.0.0.1:{lab.tls_port}" if tls else f"http://127.0.0.1:{lab.port}"
    account = {"transport": "basic", "username": lab.user, "password": lab.password}
    given = {**account, "proxy": None, "ca_trust_path": str(lab.ca_file), **options}
    return Protocol(f"{place}/A10001/wsman", **given)


@pytest.fixture
def protocol(lab: Handle) -> Iterator[Protocol]:
    found = pywinrm(lab)
    yield found
    found.transport.close_session()


def plainly(
    lab: Handle, method: str, path: str = "/A10001/wsman", *, body: bytes = b"", headers: Mapping[str, str] = {}
) -> tuple[int, HTTPMessage, bytes]:
    with closing(HTTPConnection("127.0.0.1", lab.port, timeout=10)) as connection:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def said(lab: Handle, head: str, *pieces: bytes) -> bytes:
    """What comes back, over TLS, to bytes that are written piece by piece; each piece waits for an answer."""
    context = create_default_context(cafile=str(lab.ca_file))
    with (
        socket.create_connection(("127.0.0.1", lab.tls_port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as line,
    ):
        line.sendall(head.replace("\n", "\r\n").encode())
        answer = b""
        for piece in pieces:
            answer += line.recv(65_536)
            line.sendall(piece)
        while b"\r\n\r\n" not in answer or b"</s:Envelope>" not in answer:
            found = line.recv(65_536)
            if not found:
                break
            answer += found
        return answer
