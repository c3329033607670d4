"""Everything that can be wrong in the rows of practices.csv: each is told with its line."""

from pathlib import Path

import pytest

from provisioner.resources import root
from tests.fixtures.fleets import FLEET, HEADER, PRACTICES, check, right, told, write

ROW_FAULTS: dict[str, tuple[str, str, str]] = {
    "a branch": ("K81003001,,,,", "branch surgery's code: give its parent practice, K81003", ""),
    "a letter for a digit": ("A8100O,,,,", "is it A81000?", ""),
    "a dummy": ("V81997,,,,", "dummy", ""),
    "no code": (",X,GW9,10.0.0.9,", "no practice code", ""),
    "a role": ("A81009,,GW9,10.0.0.9,stand-by", "no role 'stand-by'", "Did you mean standby?"),
    "a name with a blank": ("A81009,,GW 9,10.0.0.9,", "'GW 9' cannot name a gateway", "short name"),
    "a name that goes up": ("A81009,,../x,10.0.0.9,", "cannot name a gateway", ""),
    "a name for Ansible": ("A81009,,all,10.0.0.9,", "to Ansible it means something else", ""),
    "a template for a name": ("A81009,,{{x}},10.0.0.9,", "cannot name a gateway", ""),
    "three numbers": ("A81009,,GW9,10.0.9,", "not a whole IPv4 address", "four numbers"),
    "a number too large": ("A81009,,GW9,10.0.0.256,", "not a whole IPv4 address", ""),
    "a port in the address": ("A81009,,GW9,10.0.0.9:5985,", "is not an address", "column of its own"),
    "a URL": ("A81009,,GW9,https://gw9/wsman,", "is not an address", "alone"),
    "a blank in the address": ("A81009,,GW9,gw 9.example.org,", "neither an IP address nor", "blanks"),
    "multicast": ("A81009,,GW9,224.0.0.1,", "no computer's address", ""),
    "link-local": ("A81009,,GW9,169.254.1.1,", "link-local", ""),
    "this computer": ("A81009,,GW9,127.0.0.1,", "this computer itself", "lab"),
    "this computer by name": ("A81009,,GW9,localhost,", "this computer itself", "lab"),
    "this computer in IPv6 of IPv4": ("A81009,,GW9,::ffff:127.0.0.1,", "this computer itself", "lab"),
    "a number by sixteens": ("A81009,,GW9,0x7f000001,", "not a whole IPv4 address", "four numbers"),
    "a number by sixteens at the end": ("A81009,,GW9,10.0x1.,", "not a whole IPv4 address", "four numbers"),
    "this computer in IPv6": ("A81009,,GW9,::1,", "this computer itself", "lab"),
    "the same gateway": ("A81009,,gw-a81001,10.0.0.9,", "the gateway gw-a81001 is here twice; first in line 2", ""),
    "two active": ("A81001,,GW9,10.0.0.9,active", "A81001 has two active gateways; the first is in line 2", "standby"),
    "two active, one not known": ("A81001,,,,", "A81001 has two active gateways", ""),
}


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_fault_of_a_row(tmp_path: Path, name: str) -> None:
    row, message, hint = ROW_FAULTS[name]
    found, faults = check(write(tmp_path, {"practices.csv": f"{PRACTICES}{row}\n"}))
    assert found is None
    assert [(fault.file, fault.line) for fault in faults] == [("practices.csv", 5)], told(faults)
    assert message in faults[0].message
    assert hint in faults[0].hint


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("port", "0", "no port"),
        ("port", "5986.0", "no port"),
        ("path", "wsman", "no path"),
        ("hours", "never", "never leaves no time at all"),
        ("hours", "Mon-Fri", "Mon-Fri has no times"),
    ],
)
def test_a_fault_of_a_rows_own_port_path_or_hours(tmp_path: Path, column: str, value: str, message: str) -> None:
    _, faults = check(write(tmp_path, {"practices.csv": f"{HEADER},{column}\nA81001,,GW1,10.0.0.1,,{value}\n"}))
    assert [(fault.line, message in fault.message) for fault in faults] == [(2, True)]


WARNINGS = {
    "the same address": ("A81009,,GW9,10.1.2.3,", "has the address 10.1.2.3, as GW-A81002 in line 3 has"),
    "a standby alone": ("A81009,,GW9,10.0.0.9,standby", "a standby gateway and no active one"),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_a_doubtful_row_is_a_warning(tmp_path: Path, name: str) -> None:
    row, message = WARNINGS[name]
    found, faults = check(write(tmp_path, {"practices.csv": f"{PRACTICES}{row}\n"}))
    assert found is not None
    assert [(fault.line, fault.warning, message in fault.message) for fault in faults] == [(5, True, True)]


def test_a_column_that_looks_like_a_secret_is_a_warning(tmp_path: Path) -> None:
    found, (fault,) = check(write(tmp_path, {"practices.csv": f"{HEADER},api key\nA81001,,,,,x\n"}))
    assert found is not None
    assert fault.warning
    assert "connector.files.secrets" in fault.hint


def test_a_key_that_is_not_here_is_a_warning(tmp_path: Path) -> None:
    """Who only audits needs none."""
    found, (fault,) = check(write(tmp_path, {"fleet.yml": f"{FLEET}record_key: key.pem\n"}))
    assert found is not None
    assert (fault.line, fault.warning, "no file key.pem" in fault.message) == (3, True, True)


LISTED = {
    "closed": ("A84003", "A84003 (LINTONVILLE MEDICAL GROUP) closed on 2022-03-31", "Take the row out", False),
    "closed, with a gateway": ("A84003,,GW9,10.0.0.9,active", "closed on 2022-03-31", "or write retired", False),
    "closed, on standby": ("A84003,,GW9,10.0.0.9,standby", "closed on 2022-03-31", "or write retired", False),
    "closed and retired": (
        "A84003,,GW9,10.0.0.9,Retired",
        "closed on 2022-03-31",
        "once nothing of ours is left",
        True,
    ),
    "unknown": ("A84099", "A84099 is not in the national list (epraccur.csv)", "", False),
    "two digits changed places": ("A84050", "A84050 is not in the national list", "Did you mean A84005?", False),
    "no practice": ("A84004", "is A CLINIC, in the national list no GP practice", "Is the code right?", True),
    "another's name": ("A84002,GABLES", "is THE ROTHBURY PRACTICE in the national list, not GABLES", "", True),
}


def listed(folder: Path, row: str) -> Path:
    """A fleet folder with that row, and a national list with a closed practice, A84003, and a clinic, A84004."""
    lines = (root() / "inventory" / "example" / "epraccur.csv").read_text("utf-8")
    first = lines.splitlines()[0]
    closed = first.replace("A84002", "A84003").replace("THE ROTHBURY PRACTICE", "LINTONVILLE MEDICAL GROUP")
    closed = closed.replace('"19740401","","A"', '"19740401","20220331","C"')
    clinic = first.replace("A84002", "A84004").replace("THE ROTHBURY PRACTICE", "A CLINIC").replace('"4",""', '"8",""')
    cells = (row + ",,,,").split(",")[:5]
    files = {
        "fleet.yml": FLEET + "practice_list: epraccur.csv\n",
        "epraccur.csv": f"{lines}{closed}\n{clinic}\n",
        "practices.csv": f"{HEADER}\n{','.join(cells)}\n",
    }
    return write(folder, files)


@pytest.mark.parametrize("name", LISTED)
def test_a_practice_is_looked_up_in_the_national_list(tmp_path: Path, name: str) -> None:
    row, message, hint, warning = LISTED[name]
    found, faults = check(listed(tmp_path, row))
    assert (found is not None) is warning
    assert [(fault.line, fault.warning) for fault in faults] == [(2, warning)], told(faults)
    assert message in faults[0].message
    assert hint in faults[0].hint


def test_a_closed_practices_gateway_may_be_retired(tmp_path: Path) -> None:
    found, faults = check(listed(tmp_path, "A84003,,GW-A84003,gw.example.nhs.uk,retired"))
    assert found is not None
    assert [fault.warning for fault in faults] == [True]
    assert found.gateways[0].practice_name == "LINTONVILLE MEDICAL GROUP"


def test_an_address_that_nobody_can_write_to_is_a_warning(tmp_path: Path) -> None:
    rows = f"{HEADER},network_email\nA81001,THE DENSHAM SURGERY,GW-A81001,10.1.2.3,active,net at example\n"
    found, faults = check(write(tmp_path, {"practices.csv": rows}))
    assert found and [(fault.line, fault.warning) for fault in faults] == [(2, True)]
    assert "network_email: 'net at example' is no e-mail address." in str(faults[0])


def test_a_telephone_number_is_a_text_however_yaml_takes_it(tmp_path: Path) -> None:
    for number in ("01670123456", "+441670123456", "0800 1111 ext 4"):
        fleet = right(write(tmp_path, {"fleet.yml": f"{FLEET}contact:\n  telephone: {number}\n"}))
        assert fleet.settings.contact.telephone == number
