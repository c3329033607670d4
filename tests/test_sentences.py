"""What is written for people is compared with nothing: a sentence that is reworded changes no behaviour.

What later depends on an outcome is its `reason`; what a plugin says is marked by a prefix that both sides import.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Fields whose text is for people.
SENTENCES = {"message", "hint", "words", "stopped", "ask", "says"}
ASKING = {"startswith", "endswith", "find", "index", "count"}


def _is_sentence(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in SENTENCES


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("", None)


def compared(source: str) -> Iterator[int]:
    """The lines on which such a field is compared with a text, searched for one, or searched for in one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(_is_sentence, sides)) and not any(map(_is_empty, sides)):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asks = node.func.attr in ASKING and _is_sentence(node.func.value)
            matches = node.func.attr in {"match", "search", "fullmatch"} and any(map(_is_sentence, node.args))
            if asks or matches:
                yield node.lineno


@pytest.mark.parametrize("folder", ["provisioner", "plugins"])
def test_no_sentence_is_compared(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in compared(path.read_text("utf-8"))
    ]
    assert found == []


def test_a_sentence_that_is_compared_is_found() -> None:
    for bad in (
        'outcome.message == "it is off"',
        "words in told.message",
        'one.message.startswith("not")',
        "re.search(pattern, one.message)",
        "one.stopped == INTERRUPTED",
    ):
        assert list(compared(bad)) == [1], bad
    for good in ('outcome.message == ""', "outcome.reason is Reason.ASKED", "one.message or one.result"):
        assert list(compared(good)) == [], good
