"""A machine with odd services, for what the modules' own integration tests hold."""

import pytest

from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.state import Service
from tests.fixtures.lab import one

ODD = "TestService [*abc]"


OTHER = "TestService2"


@pytest.fixture
def machine() -> Machine:
    """A PC with two services of odd names beside the Connector's, and an old rule."""
    made = one("ready")
    made.services.append(Service(ODD, "Test Service", "C:\\a b\\x.exe"))
    made.services.append(Service(OTHER, "another", "C:\\y.exe", state="running", dependencies=[ODD.upper()]))
    made.disk.write("C:\\Lab\\a.txt", b"text\n")
    made.disk.make("C:\\Lab\\empty")
    return made
