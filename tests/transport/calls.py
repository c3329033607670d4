"""One lab for all calls of a file."""

from collections.abc import Iterator

import pytest

from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from tests.conftest import rows


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    """A lab whose gateway A84002 is well, and whose others are given faults."""
    with client.running(tmp_path_factory.mktemp("remote") / "fleet", rows("A84002", "A84005", "A84006")) as handle:
        yield handle
