"""What the directory's answer about a password means: pure; and each gateway's account guarded by itself."""

import json
import traceback
from dataclasses import replace

import pytest

from provisioner.directory import laps
from provisioner.directory.computers import escaped, filter_of, is_under, moment, parent, parts
from provisioner.directory.laps import of_entries
from provisioner.directory.ldap import DirectoryEntry
from provisioner.errors import NoPassword, NotTried, Refused
from provisioner.model import Gateway, Role
from provisioner.transport.credentials import OwnAccounts

GATEWAY = Gateway(
    name="PC-1", practice="A81001", practice_name="", address="pc-1.example.test", port=1, path="/", role=Role.ACTIVE
)
ENDS = "134100000000000000"


def entry(name: str = "pc-1", **values: str) -> DirectoryEntry:
    held = {key.replace("_", "-").lower(): (value,) for key, value in values.items()}
    return DirectoryEntry(f"CN={name},DC=x", {"dnshostname": (f"{name}.example.test",), **held})


def new(**told: str) -> str:
    return json.dumps(told)


@pytest.mark.parametrize(
    ("values", "user", "expected"),
    [
        ({"msLAPS_Password": new(n="gwadmin", t="1dc", p="pw")}, "", ("gwadmin", "pw")),
        ({"msLAPS_Password": new(n="gwadmin", p="pw"), "ms_Mcs_AdmPwd": "older"}, "other", ("gwadmin", "pw")),
        ({"msLAPS_Password": new(p="pw")}, "", ("Administrator", "pw")),
        ({"ms_Mcs_AdmPwd": 'p"w\\'}, "", ("Administrator", 'p"w\\')),
        ({"ms_Mcs_AdmPwd": "pw"}, "gwadmin", ("gwadmin", "pw")),
    ],
)
def test_whose_password_it_is(values: dict[str, str], user: str, expected: tuple[str, str]) -> None:
    found = of_entries([entry(**values)], GATEWAY, user)
    assert (found.user, found.password) == expected
    assert "pw" not in repr(found).replace("password", "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "there is no LAPS on PC-1"),
        ({"ms_Mcs_AdmPwdExpirationTime": ENDS}, "no right to read"),
        ({"msLAPS_PasswordExpirationTime": ENDS}, "no right to read"),
        ({"msLAPS_PasswordExpirationTime": ENDS, "msLAPS_EncryptedPassword": ""}, "is encrypted"),
        ({"msLAPS_Password": "hidden-text"}, "is not what LAPS writes"),
        ({"msLAPS_Password": "[1]"}, "is not what LAPS writes"),
        ({"msLAPS_Password": new(n="x", p="")}, "is not what LAPS writes"),
    ],
)
def test_why_there_is_none(values: dict[str, str], words: str) -> None:
    with pytest.raises(NoPassword) as caught:
        of_entries([entry(**values)], GATEWAY, "")
    assert words in caught.value.message
    assert caught.value.hint
    assert "hidden-text" not in "".join(traceback.format_exception(caught.value))


def test_the_full_name_tells_two_computers_apart() -> None:
    here, there = entry(ms_Mcs_AdmPwd="a"), entry("pc-2", ms_Mcs_AdmPwd="b")
    assert of_entries([there, here], GATEWAY, "").password == "a"
    with pytest.raises(NoPassword, match="several"):
        of_entries([here, here], GATEWAY, "")
    with pytest.raises(NoPassword, match="no computer"):
        of_entries([], GATEWAY, "")


def test_the_column_computer_says_whose_password_it_is() -> None:
    """A row is called as its team likes; what it is called may be another computer's name."""
    asked = laps.filter_of(replace(GATEWAY, address="192.0.2.7", variables={"computer": "GWPC-A81001-NEW-2"}))
    assert asked == "(&(objectCategory=computer)(sAMAccountName=gwpc-a81001-new$))"
    asked = laps.filter_of(replace(GATEWAY, variables={"computer": "pc-7.example.test"}))
    assert "(sAMAccountName=pc-7$)" in asked and "(dNSHostName=pc-1.example.test)" in asked
    with pytest.raises(NoPassword, match="no computer PC-7"):
        of_entries([], replace(GATEWAY, variables={"computer": "PC-7"}), "")


def test_a_refusal_says_nothing_of_another_account() -> None:
    guards = OwnAccounts()
    for number in range(10):
        with pytest.raises(Refused), guards.turn(f"gw{number}"):
            raise Refused("no")
        with pytest.raises(NotTried, match="refused it before"):
            guards.check(f"gw{number}")
    with guards.turn("gw10"):
        pass
    guards.check("gw10")


def test_what_looks_like_a_filter_is_text() -> None:
    assert escaped("a*)(b\\\0") == "a\\2a\\29\\28b\\5c\\00"
    assert "(cn=*\\29\\28cn=*)" in filter_of("*)(cn=*")
    assert "(cn=gw*1*)" in filter_of("gw?1**")


@pytest.mark.parametrize(
    ("dn", "place"),
    [
        ("CN=PC,OU=North\\, West,DC=x", "OU=North\\, West,DC=x"),
        ('CN=a\\, b\\+c,OU=\\"Wing\\" \\#1,DC=x', 'OU=\\"Wing\\" \\#1,DC=x'),
        ("CN=PC", ""),
    ],
)
def test_where_a_computer_lies(dn: str, place: str) -> None:
    assert parent(dn) == place


def test_places_are_compared_as_a_directory_does() -> None:
    assert parts("OU = North\\2C West , dc=X") == parts("ou=north\\, west,DC=x")
    assert is_under("OU=a,OU=b,DC=x", "ou=B,dc=x")
    assert not is_under("OU=ab,DC=x", "OU=b,DC=x")
    assert not is_under("OU=b,DC=x", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("134100000000000000", "2025-12-12"), ("0", "None"), ("9223372036854775807", "None"), ("x", "None"), ("", "None")],
)
def test_when_it_last_logged_on(text: str, expected: str) -> None:
    assert str(moment(text)).startswith(expected)
