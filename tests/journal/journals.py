"""An open journal, and a change that is made behind its back."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.journal import Journal
from tests.worlds.memory import AT

LATER = AT + timedelta(hours=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def change(path: Path, statement: str, *values: object) -> None:
    """A change that no journal makes: SQL on its file."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(statement, values)
