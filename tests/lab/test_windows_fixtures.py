"""How long the tests on Windows wait for a program: as long as it says something."""

import os
from pathlib import Path

import pytest

from tests.fixtures.windows import ended


def test_a_program_that_goes_on_saying_something_may_take_any_time(tmp_path: Path) -> None:
    talks = ["sh", "-c", "for n in 1 2 3 4; do echo $n; sleep 1; done; echo end >&2"]
    assert ended(talks, tmp_path, os.environ, quiet=3) == ("1\n2\n3\n4\n", "end\n")


def test_one_that_says_nothing_more_is_ended_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="said nothing for 1 s; before that: begun\nof old"):
        ended(["sh", "-c", "echo begun; echo of old >&2; exec sleep 600"], tmp_path, os.environ, quiet=1)
