"""Computers as candidates: which row of practices.csv is theirs, and whose reading is whose."""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

import pytest

from provisioner.audit.policy import Lifecycle
from provisioner.directory.computers import Computer
from provisioner.evidence.reader import Reader
from provisioner.find import looking
from provisioner.find.candidate import Candidate
from provisioner.find.matching import Matcher
from provisioner.model import Evidence, Gateway, Problem
from tests.fixtures.fleets import HEADER, right, write

LIFECYCLE = Lifecycle(as_of=date(2026, 3, 1), clients=(), servers=(), editions={})


class Echoing(Reader):
    """A reader of gateways of which each says at which address it was asked."""

    def __init__(self) -> None:
        pass

    def read(self, gateways: Sequence[Gateway], sections: Callable[[Gateway], Iterable[str]]) -> Iterator[Evidence]:
        for one in gateways:
            said = Problem(kind="Refused", message=f"asked at {one.address}", hint="")
            yield Evidence(gateway=one.name, taken_at=datetime.now(UTC), seconds=0, error=said)


def computer(name: str, domain: str = "a.example.nhs.uk", description: str = "") -> Computer:
    return Computer(
        name=name, dns_name=f"{name}.{domain}".lower(), windows="", last_logon=None, ou="", description=description
    )


def test_pcs_of_one_name_in_two_domains_are_each_judged_by_their_own_reading(tmp_path: Path) -> None:
    fleet = right(write(tmp_path, {}))
    two = [Candidate(name="PC-1", address=f"pc-1.{domain}.example.nhs.uk") for domain in "ab"]
    found = looking.read(two, fleet, Echoing(), LIFECYCLE, lambda evidence, _: evidence)
    assert [one.reasons for one in found] == [(f"asked at {one.address}.",) for one in two]
    assert [one.name for one in found] == ["PC-1", "PC-1"]


def test_a_name_that_the_domain_has_cut_is_the_rows(tmp_path: Path) -> None:
    text = f"{HEADER},computer\nA81001,DENSHAM,GW1,10.1.2.3,active,ALONGCOMPUTERNAME-01\n"
    rows = looking.KnownRows(right(write(tmp_path, {"practices.csv": text})))
    (found,) = looking.of_computers([computer("ALONGCOMPUTERNA")], rows, Matcher({}))
    assert (found.practice, found.matched) == ("A81001", "practices.csv")
    there = Candidate(name="ALONGCOMPUTERNA", address="10.1.2.3")
    assert looking.matched(there, rows, Matcher({})).practice == "A81001"


def test_a_full_name_in_a_row_is_no_other_domains_pc(tmp_path: Path) -> None:
    text = f"{HEADER},computer\nA81001,DENSHAM,GW1,10.1.2.3,active,pc-1.a.example.nhs.uk\n"
    rows = looking.KnownRows(right(write(tmp_path, {"practices.csv": text})))
    here, there = looking.of_computers([computer("PC-1"), computer("PC-1", "b.example.nhs.uk")], rows, Matcher({}))
    assert (here.practice, there.practice) == ("A81001", "")


def test_a_whole_domain_is_matched_in_a_moment(tmp_path: Path) -> None:
    """England's practices, and as many PCs: it took three quarters of a minute."""
    codes = [f"A{80000 + number}" for number in range(6618)]
    text = "".join(f"{code},PRACTICE {code},GW-{code},gw-{code}.example.nhs.uk,active\n" for code in codes)
    rows = looking.KnownRows(right(write(tmp_path, {"practices.csv": f"{HEADER}\n{text}"})))
    there = [computer(f"WS-{code}", description=code) for code in codes]
    matcher, begun = Matcher(rows.practices), perf_counter()
    found = looking.of_computers(there, rows, matcher)
    assert [one.practice for one in found] == codes
    assert perf_counter() - begun < 8


@pytest.mark.parametrize(
    ("forward", "name"), [("192.0.2.7", "pc-1.example.nhs.uk"), ("192.0.2.8", ""), (None, "")]
)  # fmt: skip
def test_a_name_of_dns_that_leads_elsewhere_is_none(
    forward: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DNS has of an address is often old: by that name another PC would be read."""

    def resolve(host: str, port: object) -> list[tuple[object, ...]]:
        assert host == "pc-1.example.nhs.uk"
        if forward is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (forward, 0))]

    monkeypatch.setattr(socket, "gethostbyaddr", lambda _: ("pc-1.example.nhs.uk", [], []))
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert looking.reverse_name("192.0.2.7") == name
