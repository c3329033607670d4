"""R14: which addresses can be the vendor's four endpoints."""

import pytest

from provisioner.fleet.endpoints import complaints, whole, why_not_all

LAB = ("192.0.2.5", "192.0.2.9", "192.0.2.15", "192.0.2.16")
# Addresses as a team has them: only the last three numbers are published, and no test says a first one.
TAILS = ("237.215.5", "237.215.9", "237.215.15", "237.215.16")


def instead(address: str) -> list[str]:
    """What is said of that address beside three right ones of a lab."""
    return [one.message for one in complaints((address, *LAB[1:]), lab=True)]


def test_four_documentation_addresses_are_right_in_a_lab() -> None:
    assert complaints(LAB, lab=True) == []


def test_documentation_addresses_are_refused_outside_the_lab() -> None:
    found = complaints(LAB, lab=False)
    assert [one.index for one in found] == [0, 1, 2, 3]
    assert all("documentation" in one.message and not one.warning for one in found)


@pytest.mark.parametrize("printed", ["237.215.5", "237.215.5:443", ".9", "215.16", ".215.15:443"])
def test_addresses_as_the_vendor_prints_them_are_not_known_yet_and_said_with_the_reason(printed: str) -> None:
    (found,) = complaints((printed, *LAB[1:]), lab=True)
    assert "the first was lost" in found.message
    assert "Ask the vendor" in found.hint
    assert "Do not guess" in found.hint
    assert found.warning


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("237.215.5.1", "multicast"),
        ("224.0.0.1", "multicast"),
        ("127.237.215.5", "loopback"),
        ("169.254.215.5", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("0.237.215.5", "unspecified"),
        ("255.255.255.255", "reserved"),
        ("250.237.215.5", "reserved"),
        ("192.0.2.5:443", "has a port"),
        ("192.0.2.256", "not an IPv4 address"),
        ("192.0.02.5", "not an IPv4 address"),
        ("192.0.2.0/24", "not an IPv4 address"),
        ("192.0.2.5.6", "not an IPv4 address"),
        ("2001:db8::5", "not an IPv4 address"),
        ("connect.example.org", "not an IPv4 address"),
        ("\u0661\u0669\u0662.0.2.5", "not an IPv4 address"),
        ("", "not an IPv4 address"),
        (" 192.0.2.5", "not an IPv4 address"),
        ("192.0.2.9", "here twice"),
    ],
)
def test_what_no_server_can_have_is_refused(address: str, why: str) -> None:
    (message,) = instead(address)
    assert why in message


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_than_four_are_a_warning(count: int) -> None:
    (found,) = complaints(LAB[:count], lab=True)
    assert found.index is None
    assert found.warning
    assert "R11 and R14 are not judged" in found.hint


def test_none_at_all_asks_for_them() -> None:
    (found,) = complaints((), lab=False)
    assert "no endpoints yet" in found.message
    assert found.warning
    assert "Ask the vendor" in found.hint


def test_more_than_four_are_refused() -> None:
    (found,) = complaints((*LAB, "192.0.2.17"), lab=True)
    assert "here are 5" in found.message
    assert not found.warning


@pytest.mark.parametrize("first", [1, 10, 100])
def test_whole_addresses_that_end_as_published_are_not_questioned(first: int) -> None:
    assert complaints([f"{first}.{tail}" for tail in TAILS], lab=False) == []


def test_addresses_that_do_not_end_as_published_are_questioned_not_refused() -> None:
    found = complaints([f"10.{tail}" for tail in TAILS[:3]] + ["10.1.2.3"], lab=False)
    assert [(one.index, one.warning) for one in found] == [(3, True)]
    assert "237.215.16" in found[0].message


def test_every_wrong_one_is_told_at_once() -> None:
    found = complaints(("237.215.5", "224.0.0.1", "192.0.2.9", "192.0.2.9"), lab=True)
    assert [(one.index, one.warning) for one in found] == [(0, True), (1, False), (3, True)]


@pytest.mark.parametrize(
    ("given", "known", "why"),
    [
        (LAB, LAB, ""),
        ((), (), "fleet.yml has no endpoints"),
        (LAB[:3], LAB[:3], "fleet.yml has 3 of the vendor's four endpoints"),
        ((*LAB[:3], LAB[0]), LAB[:3], "fleet.yml has 3 of the vendor's four endpoints"),
        ((*LAB[:3], ".16"), LAB[:3], "fleet.yml has 3 of the vendor's four endpoints"),
        (TAILS, (), "fleet.yml has none of the vendor's four endpoints"),
    ],
)
def test_what_is_known_of_them_and_why_that_is_not_all(
    given: tuple[str, ...], known: tuple[str, ...], why: str
) -> None:
    assert (whole(given), why_not_all(given)) == (known, why)
