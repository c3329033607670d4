"""A package in fleet.yml: what of it is missing is a warning, what is wrong an error."""

from pathlib import Path

import pytest

from provisioner.fleet import packages
from tests.fixtures.fleets import FLEET, PRACTICES, SHA, check, package, told, write

# What of a package is still to be asked: one can look and plan without it.
UNFINISHED: dict[str, tuple[str, int, str, str]] = {
    "no source": (package(path=""), 4, "one of url, path, push is missing", "fetches"),
    "no sha256": (package(sha256=""), 4, "sha256 is missing", "sha256sum"),
    "a blank sha256": (package(sha256="-").replace("'-'", "''"), 6, "sha256 is missing", "64 characters"),
    "an msi without id": (package(kind="msi"), 4, "msi needs product_id", "Ask the vendor"),
    "an exe without arguments": (package(kind="exe", product_id="x"), 4, "exe needs arguments", "silent"),
    "a procrun without a service": (package().replace("connector:", "procrun:"), 4, "service.name", ""),
    "nothing": (FLEET + "packages:\n  connector: {}\n", 4, "sha256 is missing", ""),
    "no more than a version": (FLEET + "packages:\n  connector:\n    version: '2'\n", 4, "sha256 is missing", ""),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_a_package_of_which_something_is_to_be_asked_is_not_used_yet(tmp_path: Path, name: str) -> None:
    text, line, message, hint = UNFINISHED[name]
    found, faults = check(write(tmp_path, {"fleet.yml": text, "practices.csv": PRACTICES}))
    assert found is not None, told(faults)
    # What is known of it is still known: what an installer brought is looked for, and not taken away by half.
    (named,) = found.settings.packages
    assert packages.usable(found.settings, named) is None
    assert packages.lacking(found.settings, named)
    said = [fault for fault in faults if message in fault.message and hint in fault.hint]
    assert said and said[0].line == line and f"packages.{named} is not used" in said[0].message, told(faults)
    assert all(fault.warning for fault in faults)


@pytest.mark.parametrize("wrong", ["sha256: [x]", "url: {}", "sha256: abc", "kind: deb"])
def test_what_is_wrong_in_a_package_is_no_warning_and_not_said_to_be_missing_too(tmp_path: Path, wrong: str) -> None:
    key = wrong.partition(":")[0]
    given = {"url": "url: https://p.example.org/c.zip", "sha256": f"sha256: {SHA}", "kind": "kind: zip", key: wrong}
    lines = "".join(f"    {line}\n" for line in given.values())
    found, faults = check(write(tmp_path, {"fleet.yml": f"{FLEET}packages:\n  connector:\n{lines}"}))
    assert found is None
    assert [fault.warning for fault in faults] == [False], told(faults)


# Servers that no gateway can fetch from, and why.
SERVERS = {
    "localhost": "the gateway itself", "LOCALHOST.": "the gateway itself", "127.0.0.1": "the gateway itself",
    "127.9.9.9:8443": "the gateway itself", "[::1]": "the gateway itself", "[::ffff:127.0.0.1]": "the gateway itself",
    "files.localhost": "the gateway itself", "127.1": "not a whole IPv4", "0x7f000001": "not a whole IPv4",
    "2130706433": "not a whole IPv4", "0.0.0.0": "no computer's address", "224.0.0.1": "no computer's address",
    "[fe80::1]": "link-local", "169.254.1.1": "link-local", "xn--": "neither an IP", "-a.nhs.uk": "neither an IP",
    "a..nhs.uk": "neither an IP", f"{'a' * 64}.nhs.uk": "neither an IP", "files.5": "neither an IP",
}  # fmt: skip


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_no_gateway_can_fetch_from(tmp_path: Path, server: str) -> None:
    text = package(path="", url=f"https://{server}/c.zip")
    found, faults = check(write(tmp_path, {"fleet.yml": text, "practices.csv": PRACTICES}))
    assert found is None
    (fault,) = [one for one in faults if not one.warning]
    assert fault.line == 6 and SERVERS[server] in fault.message and fault.hint, told(faults)


@pytest.mark.parametrize(
    "server",
    ["files", "files.example.nhs.uk.", "192.0.2.7:8443", "[2001:db8::7]", "f\u00fc.example.org", "xn--f-xgb.org"],
)
def test_a_server_that_one_can_fetch_from(tmp_path: Path, server: str) -> None:
    text = package(path="", url=f"https://{server}/c.zip")
    assert check(write(tmp_path, {"fleet.yml": text, "practices.csv": PRACTICES}))[0] is not None
