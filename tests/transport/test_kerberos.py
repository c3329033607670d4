"""Kerberos against a real directory: the ways in, what a wrong password costs, and how a ticket's end is met."""

import sys
import time
from pathlib import Path

import pytest

from provisioner.lab.process.client import Handle
from tests.fixtures.realm import ADMIN, GATEWAYS, Realm, connect, joined, planned, pretend, private

__all__ = ["joined"]  # fixtures
pytestmark = [pytest.mark.realm, pytest.mark.timeout(400)]


@pytest.mark.parametrize("way", ["keytab", "password over TLS", "ticket"])
def test_there_and_back(way: str, realm: Realm, tmp_path: Path) -> None:
    """Ping, read, audit, plan, apply and undo, the password being one that is in a file."""
    with pretend(realm, tmp_path / "fleet", GATEWAYS[:2]) as lab:
        env: dict[str, str] = {}
        if way == "ticket":
            env = realm.ticket(tmp_path / "cache")
        elif way == "keytab":
            private(lab.folder / "own.keytab", (realm.keytabs / "svc-provisioner.keytab").read_bytes())
            connect(lab, "keytab", file="own.keytab")
        else:
            private(lab.folder / "password", realm.password("svc-provisioner").encode())
            connect(lab, "file", tls=True, user="svc-provisioner@example.test", file="password")
        ping = realm.run("ping", fleet=lab.folder, env=env)
        assert ping.code == 0, ping.out + ping.err
        assert ping.out.count(f"in as {ADMIN}, an administrator") == 2
        assert realm.run("read", GATEWAYS[0], fleet=lab.folder, env=env).code == 0
        assert realm.run("audit", fleet=lab.folder, env=env).code == 1
        plan = planned(realm.run("plan", "--remedy", "firewall", fleet=lab.folder, env=env))
        apply = realm.run("apply", plan, "--yes", fleet=lab.folder, env=env)
        assert apply.code == 0, apply.out + apply.err
        assert all(one["firewall"]["rules"] for one in lab.state().values())
        undo = realm.run("undo", plan, "--yes", fleet=lab.folder, env=env)
        assert undo.code == 0, undo.out + undo.err
        assert not any(one["firewall"]["rules"] for one in lab.state().values())
        assert not [one for one in lab.events() if one["event"] == "login_refused"]


def test_an_audit_is_six_messages_to_each_gateway_and_one_request_more(joined: Handle, realm: Realm) -> None:
    """The one is the log-in's."""
    connect(joined, "keytab", user=ADMIN, file=str(realm.keytabs / "svc-provisioner.keytab"))
    before = joined.heard()
    audit = realm.run("audit", "--only", GATEWAYS[0], "--only", GATEWAYS[1], fleet=joined.folder)
    assert audit.code == 1, audit.out + audit.err
    after = joined.heard()
    assert {name: after[name] - before[name] for name in after} == {"messages": 2 * 6, "requests": 2 * 7}


def test_a_wrong_password_costs_at_most_two_tries(joined: Handle, realm: Realm) -> None:
    """By the directory's own count, and whoever else is asked is told so."""
    private(joined.folder / "password", b"not it")
    connect(joined, "file", user="svc-audit@EXAMPLE.TEST", file="password")
    ping = realm.run("ping", fleet=joined.folder)
    assert ping.code != 0
    assert 1 <= realm.bad_tries("svc-audit") <= 2
    assert "the password is wrong" in ping.out
    assert ping.out.count("no log-in was tried here") == len(GATEWAYS) - 2


def test_a_ticket_that_ends_before_the_wave_begins_nothing(realm: Realm, tmp_path: Path) -> None:
    """And with a new one of the same account, the same plan is gone on with; another's does not help."""
    with pretend(realm, tmp_path / "fleet", GATEWAYS[:1]) as lab:
        short = realm.ticket(tmp_path / "cache", "svc-provisioner", "-l", "170s")
        assert realm.run("audit", fleet=lab.folder, env=short).code == 1
        plan = planned(realm.run("plan", "--remedy", "firewall", fleet=lab.folder, env=short))
        apply = realm.run("apply", plan, "--yes", fleet=lab.folder, env=short)
        assert apply.code == 4, apply.out + apply.err
        assert f"the Kerberos ticket of {ADMIN} ends at" in " ".join(apply.out.split())
        assert f"(kinit {ADMIN})" in " ".join(apply.out.split())
        assert not any(one["firewall"]["rules"] for one in lab.state().values())
        longer = realm.ticket(tmp_path / "cache")
        again = realm.run("apply", plan, "--yes", fleet=lab.folder, env=longer)
        assert again.code == 0, again.out + again.err


def test_a_ticket_that_has_expired_is_said_with_its_time(realm: Realm, joined: Handle, tmp_path: Path) -> None:
    short = realm.ticket(tmp_path / "cache", "svc-provisioner", "-l", "1s")
    time.sleep(2)
    ping = realm.run("ping", "--only", GATEWAYS[0], fleet=joined.folder, env=short)
    assert f"no Kerberos log-in of {ADMIN}: the ticket has expired" in ping.out


_RENEWED = """
import time
from datetime import UTC, datetime, timedelta
from provisioner.transport.ticket import Ticket, of_the_person
ticket = Ticket(of_the_person(""), "")
for wait, seconds in ((0, 125), (12, 125), (0, 3000)):
    time.sleep(wait)
    print(ticket.why_not_until(datetime.now(UTC) + timedelta(seconds=seconds)))
"""


def test_a_ticket_that_can_be_renewed_is(realm: Realm, tmp_path: Path) -> None:
    """After twelve seconds it would not last any more, were it not. Beyond what is given at a time it never is."""
    env = realm.ticket(tmp_path / "cache", "svc-provisioner", "-l", "250s", "-r", "2h")
    ran = realm.start([sys.executable, "-c", _RENEWED], env)
    first, later, too_long = ran.out.splitlines()
    assert (first, later) == ("", "")
    assert too_long.startswith(f"the Kerberos ticket of {ADMIN} ends at")


def test_nothing_of_the_ticket_is_left(realm: Realm, tmp_path: Path) -> None:
    """No file with it outlives the command, and the person's own cache is as it was."""
    with pretend(realm, tmp_path / "fleet", GATEWAYS[:1]) as lab:
        own = realm.ticket(tmp_path / "cache")
        before = (tmp_path / "cache").read_bytes()
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        env = {**own, "TMPDIR": str(temporary)}
        realm.run("audit", fleet=lab.folder, env=env)
        plan = planned(realm.run("plan", "--remedy", "firewall", fleet=lab.folder, env=env))
        assert realm.run("apply", plan, "--yes", fleet=lab.folder, env=env).code == 0
        assert (tmp_path / "cache").read_bytes() == before
        assert not list(temporary.rglob("ccache*"))


def test_a_practice_moves_to_another_pc(realm: Realm, tmp_path: Path) -> None:
    """A migration by its own commands: the old PC's Connector is stopped, and the new one's started."""
    old, new = GATEWAYS[:2]
    with pretend(realm, tmp_path / "fleet", (old, new), state="ready", moves=True) as lab:
        fleet = lab.folder / "fleet.yml"
        fleet.write_text(fleet.read_text("utf-8") + "\nrollout: {approve_wait: 4, settle: 6}\n", "utf-8")
        env = realm.keys("svc-provisioner")
        lab.set(old, "systmone=off")
        lab.set(new, "systmone=gateway")
        began = realm.run("migrate", "start", old, "--to", new, "--yes", fleet=lab.folder, env=env)
        assert began.code == 4, began.out + began.err
        running = [name for name, one in lab.state().items() if any(s["state"] == "running" for s in one["services"])]
        assert running == [new]
