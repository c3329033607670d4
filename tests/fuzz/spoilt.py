"""Right text made wrong, by a chance that is given."""

import io
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner import cli

SECONDS, MEGABYTES = 10, 500


AT = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)


NASTY = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b'"', b"'", b",", b";", b"\t", b"\r", b"\n",
    b"\n\n", b": ", b"- ", b"{", b"[", b"]", b"}", b"&a", b"*a", b"!!python/object:os.system", b"|", b"#", b"%",
    b"{{ 1 }}", b"9" * 40, b"-1", b"1e999", b"NaN", b"null", b"true", b"2026-02-30", b"\xe2\x80\xae",
    b"\xf0\x9f\xa9\xba", b"A" * 5000, b"[" * 3000, b"../../x", b"=1+1", b"0x10", b"1:30", b"\x1b[2J", b"<", b"&",
    b"</s:Envelope>", b"\r\n\r\n",
)  # fmt: skip


LEAVES: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 1e308, float("nan"), "", "\ud800", "\0", "x" * 9000, "9999-99-99", [], {}, [[]], {"": {}},
    "\u202e", [None] * 300, {"a": [{"b": None}]},
)  # fmt: skip


Target = Callable[[random.Random], None]


def spoilt(data: bytes, chance: random.Random, most: int = 4) -> bytes:
    """These bytes with a few things wrong: what is nasty put in, parts doubled, taken out, cut off or changed."""
    found = bytearray(data)
    for _ in range(chance.randint(1, most)):
        at = chance.randrange(len(found) + 1)
        end = min(len(found), at + int(chance.expovariate(1 / 20)))
        match chance.randrange(6):
            case 0 | 1:
                found[at:at] = chance.choice(NASTY)
            case 2:
                found[at:end] = chance.choice(NASTY)
            case 3:
                found[at:end] = found[at:end] * chance.choice((0, 2, 50))
            case 4:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 5 if chance.random() < 0.3:
                del found[at:]
    return bytes(found)


def spoilt_tree(tree: Any, chance: random.Random) -> Any:
    """A JSON document with one leaf, key or branch that is something else."""
    if isinstance(tree, dict) and tree and chance.random() > 0.1:
        key = chance.choice(list(tree))
        match chance.randrange(12):
            case 0:
                return {name: value for name, value in tree.items() if name != key}
            case 1:
                return {**tree, "\u202e\ud800": tree[key]}
            case _:
                return {**tree, key: spoilt_tree(tree[key], chance)}
    if isinstance(tree, list) and tree and chance.random() > 0.2:
        at = chance.randrange(len(tree))
        return [*tree[:at], spoilt_tree(tree[at], chance), *tree[at + 1 :]]
    return chance.choice(LEAVES)


def verb(*arguments: str | Path) -> str:
    """A command, as a person gives it: what it says where it refuses, or "". What is no answer in words is raised."""
    said, before = io.BytesIO(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(said, "utf-8")
    try:
        cli.main(list(map(str, arguments)))
    except SystemExit as ended:
        code = ended.code
    finally:
        kept, (sys.stdout, sys.stderr) = sys.stderr, before
    words = said.getvalue().decode("utf-8", "replace")
    kept.close()
    assert code in range(6), f"{' '.join(map(str, arguments))}: exit {code}\n{words}"
    return words or "refused" if code else ""


def right(*arguments: str | Path) -> None:
    """The same of what nothing is wrong with: what is spoilt is to be read to its end before."""
    refused = verb(*arguments)
    assert not refused, refused
