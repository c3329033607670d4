"""Which servers DNS has of a realm: a name server on loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from provisioner.directory.discovery import ordered, servers
from provisioner.errors import DirectoryError

RECORDS = ("10 5 389 dc2.example.test.", "10 90 389 dc1.example.test.", "0 1 389 dc0.example.test.")


@contextmanager
def name_server(records: tuple[str, ...]) -> Iterator[Any]:
    """A resolver that asks a name server which has these records of one realm, and nothing else."""
    message, rcode = pytest.importorskip("dns.message"), pytest.importorskip("dns.rcode")
    resolver, rrset = pytest.importorskip("dns.resolver"), pytest.importorskip("dns.rrset")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                asked, whose = server.recvfrom(4096)
                if not asked:
                    return
                query = message.from_wire(asked)
                answer, name = message.make_response(query), query.question[0].name
                if str(name) == "_ldap._tcp.dc._msdcs.example.test.":
                    answer.answer.append(rrset.from_text(name, 60, "IN", "SRV", *records))
                else:
                    answer.set_rcode(rcode.NXDOMAIN)
                server.sendto(answer.to_wire(), whose)

        thread = threading.Thread(target=serve)
        thread.start()
        found = resolver.Resolver(configure=False)
        found.nameservers, found.port = ["127.0.0.1"], server.getsockname()[1]
        try:
            yield found
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as over:
                over.sendto(b"", server.getsockname())
            thread.join()


def test_the_servers_in_their_order() -> None:
    with name_server(RECORDS) as resolver:
        found = servers("EXAMPLE.TEST", resolver)
    assert found == ("dc0.example.test", "dc1.example.test", "dc2.example.test")


def test_a_realm_that_dns_does_not_know() -> None:
    with (
        name_server(RECORDS) as resolver,
        pytest.raises(DirectoryError, match=r"no domain controller of OTHER\.TEST") as caught,
    ):
        servers("OTHER.TEST", resolver)
    assert "directory.server in fleet.yml" in caught.value.hint


def test_a_record_that_says_there_is_none() -> None:
    assert ordered([(0, 0, "")]) == ()
