"""LAPS against a real directory: both kinds, no right, none at all, and a password that is refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from tests.conftest import rows
from tests.fixtures.realm import Realm, planned

pytest.importorskip("bonsai", reason="provisioner[directory] is not installed")
pytestmark = [pytest.mark.realm, pytest.mark.timeout(400)]

OLD, NEW, HIDDEN, NONE, WRONG, ALSO_WRONG = NAMES = [f"A810{number:02}" for number in range(1, 7)]
ENDS = {"ms-Mcs-AdmPwdExpirationTime": "134100000000000000"}


def place(name: str) -> str:
    return f"CN={name},OU=Gateways,DC=example,DC=test"


@pytest.fixture(scope="module")
def with_laps(realm: Realm) -> Realm:
    """The realm with LAPS' attributes, once."""
    realm.put(laps=True)
    return realm


@pytest.fixture
def fleet(with_laps: Realm, tmp_path: Path) -> Iterator[Handle]:
    """A lab whose PCs' administrator has the password that the directory has of each, or another."""
    given = [{**row, "gateway": row["practice"], "computer": row["practice"]} for row in rows(*NAMES)]
    with client.running(tmp_path / "fleet", given, state="fresh") as lab:
        path, user = lab.folder / "fleet.yml", lab.user.rpartition("\\")[2]
        text = path.read_text("utf-8")
        before, _, rest = text.partition("connection:\n")
        after = rest[rest.index("\npackages:") + 1 :]
        block = f"connection:\n  transport: ntlm\n  tls: false\n  port: {lab.port}\n  path: /{{gateway}}/wsman\n"
        block += f"  credential: laps\n  user: {user}\ndirectory: {{server: dc.example.test}}\n"
        path.write_text(f"{before}{block}\n{after}", "utf-8")
        told = json.dumps({"n": user, "t": "1dc0000000000000", "p": lab.password})
        with_laps.put(
            values={
                place(OLD): {"ms-Mcs-AdmPwd": lab.password, **ENDS},
                place(NEW): {"msLAPS-Password": told, "msLAPS-PasswordExpirationTime": ENDS[next(iter(ENDS))]},
                place(HIDDEN): {"ms-Mcs-AdmPwd": lab.password, **ENDS},
                place(WRONG): {"ms-Mcs-AdmPwd": "wrong-Pass1", **ENDS},
                place(ALSO_WRONG): {"ms-Mcs-AdmPwd": "wrong-Pass2", **ENDS},
            },
            readers={place(name): "svc-audit" for name in (OLD, NEW, WRONG, ALSO_WRONG)},
        )
        yield lab


def test_each_gateway_by_its_own_account(with_laps: Realm, fleet: Handle) -> None:
    """Read and changed by both kinds; each other says why not, and a refusal is that gateway's own."""
    env = with_laps.keys("svc-audit")
    ping = with_laps.run("ping", "--format", "json", fleet=fleet.folder, env=env)
    assert ping.code == 3, ping.err
    said = {one["gateway"]: one for one in json.loads(ping.out)["gateways"]}
    assert {name for name in NAMES if said[name]["ok"]} == {OLD, NEW}
    assert f"LAPS is on {HIDDEN}, and this account has no right to read its password" in said[HIDDEN]["message"]
    assert f"there is no LAPS on {NONE}" in said[NONE]["message"]
    for name in (WRONG, ALSO_WRONG):
        assert "refused" in said[name]["message"]
        assert "others were refused" not in said[name]["message"]
    refusals = [one["gateway"] for one in fleet.events() if one["event"] == "login_refused"]
    assert sorted(refusals) == [WRONG, ALSO_WRONG]
    # Ansible by the same passwords.
    only = [word for name in (OLD, NEW) for word in ("--only", name)]
    assert with_laps.run("audit", *only, fleet=fleet.folder, env=env).code == 1
    plan = planned(with_laps.run("plan", *only, "--remedy", "firewall", fleet=fleet.folder, env=env))
    apply = with_laps.run("apply", plan, "--yes", fleet=fleet.folder, env=env)
    assert apply.code == 0, apply.out + apply.err
    state = fleet.state()
    assert {name for name in NAMES if state[name]["firewall"]["rules"]} == {OLD, NEW}
    kept = b"".join(path.read_bytes() for path in (fleet.folder / ".provisioner").rglob("journal.db*"))
    assert fleet.password.encode() not in kept


def test_nobody_without_the_right_is_let_try(with_laps: Realm, fleet: Handle) -> None:
    ping = with_laps.run("ping", fleet=fleet.folder, env=with_laps.keys("clerk"))
    assert ping.code == 3
    assert ping.out.count("no right to read its password") == 5
    assert not [one for one in fleet.events() if one["event"].startswith("login")]
    none = with_laps.run("ping", fleet=fleet.folder)
    assert none.out.count("there is no ticket of that account") == 6
