"""Which addresses may be knocked on, and how slowly that is done."""

import threading
import time

import pytest

from provisioner.errors import InputError
from provisioner.find.knocking import AT_ONCE, estimate, knock
from provisioner.fleet import ranges

OWN = ("10.1.0.0/16", "fd00::/64", "10.2.0.0/24", "10.2.1.0/24")


def allowed(text: str, *settings: str, lab: bool = False) -> list[str]:
    return list(ranges.allowed(text, settings, lab=lab).addresses())


@pytest.mark.parametrize(
    ("text", "count", "first"),
    [
        ("10.1.2.0/24", 254, "10.1.2.1"),
        ("10.1.2.7", 1, "10.1.2.7"),
        ("10.1.2.10-10.1.2.19", 10, "10.1.2.10"),
        ("10.2.0.250 - 10.2.1.5", 12, "10.2.0.250"),
        ("10.1.0.0/20", 4094, "10.1.0.1"),
        ("fd00::10-fd00::1f", 16, "fd00::10"),
    ],
)
def test_what_lies_in_the_teams_ranges(text: str, count: int, first: str) -> None:
    found = allowed(text, *OWN)
    assert (len(found), found[0]) == (count, first)


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("10.1.2.0/24", (), "find.ranges in fleet.yml names no range"),
        ("10.3.0.0/24", OWN, "does not lie within"),
        ("10.2.0.0-10.2.2.0", OWN, "does not lie within"),
        ("10.1.0.0/16", OWN, "65536 addresses, the most is 4096"),
        ("8.8.8.0/24", ("8.8.8.0/24",), "public addresses"),
        ("0.0.0.0/0", OWN, "public addresses"),
        ("::/0", OWN, "public addresses"),
        ("127.0.0.1", OWN, "this computer itself"),
        ("169.254.0.1", OWN, "public addresses"),
        ("10.1.2.3/24", OWN, "did you mean 10.1.2.0/24?"),
        ("10.1.2.9-10.1.2.1", OWN, "does not go from a lower"),
        ("10.1.2.9-fd00::1", OWN, "does not go from a lower"),
        ("10.1.2", OWN, "no range"),
        ("", OWN, "no range"),
        ("all", OWN, "no range"),
    ],
)
def test_what_may_not_be_knocked_on(text: str, settings: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError) as caught:
        allowed(text, *settings)
    assert words in caught.value.message


def test_a_lab_is_at_loopback_only() -> None:
    assert allowed("127.0.0.1", "127.0.0.0/8", lab=True) == ["127.0.0.1"]
    with pytest.raises(InputError, match="not loopback"):
        allowed("10.1.2.0/24", "10.1.0.0/16", lab=True)


def test_few_are_under_way_and_not_too_many_begin() -> None:
    lock, under, most, begun = threading.Lock(), 0, 0, time.monotonic()

    def ask(address: str) -> bool:
        nonlocal under, most
        with lock:
            under += 1
            most = max(most, under)
        time.sleep(0.3)
        with lock:
            under -= 1
        return address.endswith("7")

    addresses = [f"10.0.0.{number}" for number in range(1, 101)]
    found = dict(knock(addresses, ask, a_second=200.0))
    assert set(found) == set(addresses)
    assert sum(found.values()) == 10
    assert most <= AT_ONCE
    assert time.monotonic() - begun >= 100 / 200


def test_leaving_early_begins_with_no_more() -> None:
    asked: list[str] = []

    def ask(address: str) -> bool:
        asked.append(address)
        return False

    for _ in knock([str(number) for number in range(1000)], ask, a_second=50.0):
        break
    time.sleep(0.2)
    count = len(asked)
    time.sleep(0.3)
    assert len(asked) == count < 100


def test_how_long_it_takes_is_said_before() -> None:
    assert estimate(254) < 30
    assert 200 < estimate(4096) < 300
