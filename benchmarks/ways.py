"""An audit by each way into a gateway: NTLM with sealed messages, over TLS, and Kerberos where the program `realm`,
which starts a directory on loopback, is on PATH.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from _pytest.outcomes import Skipped

from benchmarks.measure import PROVISIONER, Cost, cost
from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from tests.fixtures import realm as realms

_BY_TLS = """connection:
  transport: ntlm
  tls: true
  port: {port}
  path: /{{gateway}}/wsman
  user: '{user}'
  credential: file
  credential_file: .provisioner/lab/password
  ca_file: .provisioner/lab/ca.pem
  check_certificate: false
  unchecked_because: a lab's certificate is no PC's
"""
# What every Linux counts of its loopback: the second number after the name is of packets, the first of bytes.
_DEVICES = Path("/proc/net/dev")


@dataclass(frozen=True, kw_only=True)
class Way:
    """What an audit cost by one way, and the bytes on the wire; None where the system does not count them."""

    name: str
    cost: Cost
    bytes: int | None


def ways(folder: Path, codes: list[str], delay: float) -> Iterator[Way]:
    """The same gateways by each way that can be had here."""
    rows = [{"practice": code, "gateway": code} for code in codes]
    with client.running(folder / "ntlm", rows, state="mixed", delay=delay) as handle:
        yield _audited("NTLM, sealed", handle, [*PROVISIONER])
        block = _BY_TLS.format(port=handle.tls_port, user=handle.user)
        realms.replace_connection(handle, block)
        yield _audited("NTLM over TLS", handle, [*PROVISIONER])
    try:
        for realm in realms.started(folder / "realm", gateways=codes):
            yield from _by_kerberos(realm, folder / "kerberos", rows, delay)
    except Skipped as why:
        print(why, file=sys.stderr)


def _by_kerberos(realm: realms.Realm, fleet: Path, rows: list[dict[str, str]], delay: float) -> Iterator[Way]:
    running = client.running(fleet, rows, state="mixed", delay=delay, keytabs=realm.keytabs, admins=[realms.ADMIN])
    with running as handle:
        realms.by_name(handle)
        keys = realm.keytabs / "svc-provisioner.keytab"
        for tls, name in ((False, "Kerberos, sealed"), (True, "Kerberos over TLS")):
            realms.connect(handle, "keytab", tls=tls, user=realms.ADMIN, file=str(keys))
            yield _audited(name, handle, [*realm.within(), *PROVISIONER])


def _audited(name: str, handle: Handle, program: list[str]) -> Way:
    before = _sent()
    spent = cost([*program, "--fleet", handle.folder, "audit"])
    after = _sent()
    return Way(name=name, cost=spent, bytes=None if before is None or after is None else after - before)


def _sent() -> int | None:
    try:
        lines = _DEVICES.read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.strip().startswith("lo:")), None)
