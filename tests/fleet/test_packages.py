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
