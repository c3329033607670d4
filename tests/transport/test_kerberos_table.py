"""The table of what Kerberos says (docs/operations.md), its rows produced against a real directory."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.lab.process.client import Handle
from tests.conftest import ROOT
from tests.fixtures.realm import GATEWAYS, Realm, connect, planned, pretend, private

FIRST = GATEWAYS[0]


@dataclass(frozen=True)
class World:
    """Where a fault is made: a lab with an audit and a plan, made with a good ticket."""

    realm: Realm
    lab: Handle
    folder: Path
    plan: str


Env = Mapping[str, str]
Make = Callable[[World], Env]


def keys(account: str) -> Make:
    return lambda world: world.realm.keys(account)


def no_ticket(world: World) -> Env:
    return {}


def expired(world: World) -> Env:
    env = world.realm.ticket(world.folder / "short", "svc-provisioner", "-l", "2s")
    time.sleep(3)
    return env


def ends_soon(world: World) -> Env:
    return world.realm.ticket(world.folder / "soon", "svc-provisioner", "-l", "170s")


def configured(world: World, text: str, account: str = "svc-provisioner") -> Env:
    path = world.folder / "other.conf"
    path.write_text(text, "utf-8")
    return {"KRB5_CONFIG": str(path), **world.realm.keys(account)}


def with_line(world: World, line: str) -> str:
    return (
        (world.realm.folder / "krb5.conf").read_text("utf-8").replace("[libdefaults]\n", f"[libdefaults]\n\t{line}\n")
    )


def no_domain(world: World) -> Env:
    # Nobody listens there: it is loopback's broadcast address.
    own = (world.realm.folder / "krb5.conf").read_text("utf-8")
    return configured(world, re.sub(r"kdc = \S+", "kdc = 127.0.0.88:9", own))


def unknown_realm(world: World) -> Env:
    return configured(world, "[libdefaults]\n\tdefault_realm = EXAMPLE.TEST\n\tdns_lookup_kdc = false\n")


def broken(world: World) -> Env:
    return configured(world, "[libdefaults\n\tdefault_realm = {\n")


def no_rc4(world: World) -> Env:
    return configured(world, with_line(world, "permitted_enctypes = arcfour-hmac"), "protected")


def of_another(world: World) -> Env:
    private(world.lab.folder / "own.keytab", (world.realm.keytabs / "clerk.keytab").read_bytes())
    connect(world.lab, "keytab", user="svc-audit@EXAMPLE.TEST", file="own.keytab")
    return {}


def no_keytab(world: World) -> Env:
    private(world.lab.folder / "own.keytab", b"not one")
    connect(world.lab, "keytab", file="own.keytab")
    return {}


def by_password(user: str) -> Make:
    def make(world: World) -> Env:
        private(world.lab.folder / "password", b"not it")
        connect(world.lab, "file", user=user, file="password")
        return {}

    return make


def at(address: str) -> Make:
    def make(world: World) -> Env:
        path = world.lab.folder / "practices.csv"
        text = path.read_text("utf-8")
        path.write_text(text.replace(f"{FIRST.lower()}.example.test", address), "utf-8")
        return world.realm.keys("svc-provisioner")

    return make


def fault(*words: str) -> Make:
    def make(world: World) -> Env:
        world.lab.set(FIRST, *words)
        return world.realm.keys("svc-provisioner")

    return make


# By the words of the table: what makes it, and whether the same fleet is left, so that an apply can meet it too.
CASES: dict[str, tuple[Make, bool]] = {
    "there is no ticket of that account": (no_ticket, True),
    "the ticket has expired": (expired, True),
    "the Kerberos ticket of": (ends_soon, True),
    "the ticket cache cannot be read": (lambda world: {"KRB5CCNAME": f"FILE:{ROOT / 'pyproject.toml'}"}, True),
    "this computer's Kerberos has no ticket cache of that kind": (lambda world: {"KRB5CCNAME": "PAPER:x"}, True),
    "the service of this computer that keeps the tickets does not answer (KCM)": (
        lambda world: {"KRB5CCNAME": "KCM:"}, True,
    ),
    "that is no name of Kerberos": (by_password("svc@provisioner@EXAMPLE.TEST"), False),
    "the keytab has no key of that account": (of_another, False),
    "the keytab cannot be read": (no_keytab, False),
    "the password is wrong, or the keytab's key is an older one": (by_password("protected@EXAMPLE.TEST"), False),
    "the domain does not know the account": (by_password("nobody@EXAMPLE.TEST"), False),
    "the account is locked, disabled or expired, or may not log on at this hour": (keys("locked"), True),
    "the password has expired": (keys("stale"), True),
    "this computer does not know where that realm's domain controllers are": (unknown_realm, True),
    "no domain controller answers": (no_domain, True),
    "this computer's Kerberos is not set up": (broken, True),
    "there is no encryption that both take": (no_rc4, True),
    "the domain does not know this gateway's name": (at("localhost"), False),
    "it is given by its address, and Kerberos knows computers by their names": (at("127.0.0.1"), False),
    "another computer answers than the one that the domain knows by this name": (
        at(f"{GATEWAYS[1].lower()}.example.test"), False,
    ),
    "the clocks are too far apart: the gateway's is 20 minutes ahead of ours": (fault("clock_skew=1200"), True),
    "the gateway does not take our ticket": (fault("refuses_login"), True),
    "logged in, but the account has no rights there": (keys("clerk"), True),
}  # fmt: skip
# What this directory does not say: told apart by the library's number alone (test_answers.py).
BY_NUMBER = (
    "the domain controller says no more than that something went wrong there",
    "the domain has this gateway's name more than once",
    "the domain has disabled this gateway's own account",
)
# What else the directory has of the fourth kind of account: it does not say which of them it is.
ALIKE = ("disabled", "expired", "night")


def table() -> list[str]:
    """The first cells of the table, without what stands for others."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("### What Kerberos says")[2]
    rows = [line for line in text.partition("\n#")[0].splitlines() if line.startswith("|")][2:]
    return [row.split("|")[1].strip() for row in rows]


def test_each_row_is_produced() -> None:
    assert [row for row in table() if row not in BY_NUMBER] == list(CASES)
    assert set(BY_NUMBER) <= set(table())


@pytest.fixture(scope="module")
def plan(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("table")
    with pretend(realm, folder / "fleet", [FIRST]) as lab:
        env = realm.keys("svc-provisioner")
        assert realm.run("audit", fleet=lab.folder, env=env).code == 1
        id_ = planned(realm.run("plan", "--remedy", "firewall", fleet=lab.folder, env=env))
        yield World(realm, lab, folder, id_)


@pytest.fixture
def world(plan: World) -> Iterator[World]:
    files = [plan.lab.folder / name for name in ("practices.csv", "fleet.yml")]
    before = [file.read_bytes() for file in files]
    yield plan
    plan.lab.set("*", "none")
    for file, content in zip(files, before, strict=True):
        file.write_bytes(content)


def one_line(text: str) -> str:
    """What was printed, whatever the width."""
    return " ".join(text.split())


@pytest.mark.realm
@pytest.mark.timeout(400)
@pytest.mark.parametrize("words", list(CASES))
def test_what_is_said(words: str, world: World) -> None:
    make, applies = CASES[words]
    env = make(world)
    if make is not ends_soon:
        ping = world.realm.run("ping", fleet=world.lab.folder, env=env)
        assert words in one_line(ping.out + ping.err)
    if applies:
        apply = world.realm.run("apply", world.plan, "--yes", fleet=world.lab.folder, env=env)
        assert apply.code in (3, 4), apply.out + apply.err
        assert words in one_line(apply.out + apply.err)
        assert not world.lab.state()[FIRST]["firewall"]["rules"]


@pytest.mark.realm
@pytest.mark.parametrize("account", ALIKE)
def test_who_may_not_log_on_is_said_alike(account: str, world: World) -> None:
    ping = world.realm.run("ping", fleet=world.lab.folder, env=world.realm.keys(account))
    assert "locked, disabled or expired, or may not log on at this hour" in one_line(ping.out)


@pytest.mark.realm
@pytest.mark.timeout(400)
@pytest.mark.parametrize("only", ["kerberos", "negotiate"])
def test_a_gateway_that_offers_one_name_of_the_two_is_got_into(only: str, world: World) -> None:
    """By Ansible too: what a check would change is told."""
    world.lab.set(FIRST, f"wrong_transport={only}")
    env = world.realm.keys("svc-provisioner")
    ping = world.realm.run("ping", fleet=world.lab.folder, env=env)
    assert ping.code == 0, ping.out
    check = world.realm.run("apply", world.plan, "--dry-run", fleet=world.lab.folder, env=env)
    assert check.code == 0, check.out + check.err
    assert "firewall" in check.out


@pytest.mark.realm
def test_a_domain_that_is_away_counts_for_no_refusal(realm: Realm, tmp_path: Path) -> None:
    """Each gateway says so; none that others were refused."""
    with pretend(realm, tmp_path / "fleet", GATEWAYS[:5]) as lab:
        env = no_domain(World(realm, lab, tmp_path, ""))
        ping = realm.run("ping", fleet=lab.folder, env=env)
    assert ping.out.count("no domain controller answers") == 5
    assert "no log-in was tried" not in ping.out
