"""The packages that a lab fleet installs: small real zips, the same bytes each time."""

import hashlib
import io
import random
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

JAVA_VERSION = "17.0.13"
CONNECTOR_VERSION = "1.0.0"
JRE_ROOT = "jdk-17.0.13+11-jre"
PROCRUN_ROOT = "amd64"

_DATE = (2025, 1, 15, 12, 0, 0)


@dataclass(frozen=True)
class Package:
    """A zip: the folder in it that is unpacked, its version, its bytes."""

    root: str
    version: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The digest of the bytes."""
        return hashlib.sha256(self.content).hexdigest()


def build() -> Mapping[str, Package]:
    """The packages by name: connector, jre, procrun."""
    return {
        "connector": Package("", CONNECTOR_VERSION, _connector()),
        "jre": Package(JRE_ROOT, JAVA_VERSION, _jre()),
        "procrun": Package(PROCRUN_ROOT, "1.4.1", _procrun()),
    }


def _connector() -> bytes:
    manifest = b"Manifest-Version: 1.0\r\nMain-Class: example.Connector\r\n\r\n"
    jar = _zip({"META-INF/MANIFEST.MF": manifest, "example/Connector.class": _bytes("connector", 180_000)})
    return _zip(
        {
            "connector.jar": jar,
            "version.txt": f"{CONNECTOR_VERSION}\n".encode(),
            "LICENSE.txt": b"A pretend Connector, for the lab of provisioner. It does nothing.\r\n",
            "bin/connector.cmd": b"@echo off\r\n..\\jre\\bin\\java.exe -jar ..\\connector.jar\r\n",
        }
    )


def _jre() -> bytes:
    release = f'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_VERSION="{JAVA_VERSION}"\nOS_ARCH="x86_64"\nOS_NAME="Windows"\n'
    inside = {
        "release": release.encode(),
        "NOTICE": b"A pretend Java runtime, for the lab of provisioner.\n",
        "bin/java.exe": b"MZ" + _bytes("java.exe", 40_000),
        "bin/javaw.exe": b"MZ" + _bytes("javaw.exe", 40_000),
        "bin/server/jvm.dll": b"MZ" + _bytes("jvm.dll", 120_000),
        "lib/modules": _bytes("modules", 150_000),
    }
    return _zip({f"{JRE_ROOT}/{name}": content for name, content in inside.items()})


def _procrun() -> bytes:
    return _zip(
        {
            "LICENSE.txt": b"A pretend Apache Commons Daemon, for the lab of provisioner.\n",
            "prunmgr.exe": b"MZ" + _bytes("prunmgr.exe", 30_000),
            "prunsrv.exe": b"MZ" + _bytes("prunsrv.exe 32", 60_000),
            f"{PROCRUN_ROOT}/prunsrv.exe": b"MZ" + _bytes("prunsrv.exe 64", 80_000),
        }
    )


def _bytes(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Stored, not deflated, and with fixed dates: the digest is the same wherever it is built."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)
    return out.getvalue()
