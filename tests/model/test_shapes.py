"""What the model's types are read by and written as is what pydantic would make of them by itself."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from provisioner.errors import InputError
from provisioner.model import (
    Audit,
    Control,
    Evidence,
    Fact,
    Finding,
    Gateway,
    Impact,
    Outcome,
    Plan,
    Problem,
    Result,
    Role,
    Status,
    adapters,
    shapes,
)
from provisioner.model.plan import Budget, Change, Gap, Move, Step, Wave
from provisioner.model.settings import Approver, Connection, Package, Rollout, Settings

AT = datetime(2026, 11, 30, 22, 5, 7, 120_000, UTC)
_STEP = Step(id="s", gateway="A", practice="B", kind="playbook", remedy="java", values={"x": [1, None]}, needs=("R1",),
             changes=(Change(what="w", before="", after="é"),), seconds=1e16)  # fmt: skip
_EVIDENCE = Evidence(gateway="A", taken_at=AT, seconds=0.1, sections={"clock": {"utc": "x", "n": 1.5}},
                     section_seconds={"clock": 2}, error=Problem(kind="k", message="m", hint=""))  # fmt: skip
_CONTROL = Control(id="R1-x", requirement="R1", title="t", impact=Impact.ADVICE, fact="f", operator="one_of",
                   operand=(1, "a"), applies_when={"role": ("active",)})  # fmt: skip
_FINDING = Finding(gateway="A", practice="B", control="R1-x", status=Status.FAILED, expected="", actual="", message="m",
                   value=[True])  # fmt: skip
SOME = (
    Settings(version=1, practice_list_date=date(2026, 1, 2), connection=Connection(at_once_per={"site": 2}),
             packages={"jre": Package(sha256="0")}, rollout=Rollout(approvers=(Approver(account="a"),), failed=None)),
    Plan(id="p", kind="rollout", at=AT, audit="a", fleet_digest="", policy_digest="", places={"A": ("B", "10.0.0.1")},
         waves=(Wave(number=1, steps=(_STEP,), roles={"A": Role.STANDBY}),), budget=Budget(first_wave=2),
         gaps=(Gap(gateway="A", practice="B", control="R1-x", message="", owner="tpp", ask=""),),
         move=Move(practice="B", old="A", new="C", was=Role.CANDIDATE)),
    Outcome(step="s", gateway="A", result=Result.DONE, changed=True, started=AT, ended=AT, before={"a": {"b": 1}},
            output=("one", "two")),
    _EVIDENCE,
    Audit(id="a", at=AT, fleet_digest="", policy_digest="", controls=(_CONTROL,), evidence=(_EVIDENCE,),
          gateways=(Gateway(name="A", practice="B", practice_name="", address="", port=1, path="", role=Role.ACTIVE),),
          findings=(_FINDING,), facts={"A": {"f": Fact(value=1)}}, left_out={"D": "E"}, came_out=(1, 2)),
)  # fmt: skip
# What stands in a document in place of something else.
_ODD: tuple[Any, ...] = (
    None,
    True,
    1,
    1.5,
    "",
    "active",
    "2026-01-02",
    "2026-01-02T03:04:05Z",
    [],
    [1],
    {},
    {"no such key": 1},
)
_NAMES = [type(one).__name__ for one in SOME]


@pytest.mark.parametrize("one", SOME, ids=_NAMES)
def test_one_is_written_and_read_as_by_pydantic(one: Any) -> None:
    kind, theirs = type(one), TypeAdapter(type(one))
    text = adapters.written(kind, one)
    assert text == theirs.dump_json(one)
    assert adapters.plain(kind, one) == theirs.dump_python(one, mode="json")
    assert adapters.parse(kind, text) == adapters.read(kind, json.loads(text))
    assert adapters.written(kind, adapters.parse(kind, text)) == text


@pytest.mark.parametrize("one", SOME, ids=_NAMES)
def test_the_same_is_refused_in_the_same_words(one: Any) -> None:
    kind, theirs = type(one), TypeAdapter(type(one))
    whole = json.loads(adapters.written(kind, one))
    refused = 0
    for document in (*_ODD, *_otherwise(whole)):
        text = json.dumps(document)
        for strict in (False, True):
            said = _said(partial(adapters.parse, kind, text, strict=strict))
            assert said == _said(partial(theirs.validate_json, text, strict=strict)), text
        wrong = bool(adapters.wrong(kind, text))
        assert wrong == bool(said)
        refused += wrong
    assert refused > len(_ODD)


def _otherwise(whole: Any) -> Iterator[Any]:
    """The document with something odd at each of its places, and without each of its keys."""
    for path in _places(whole):
        for odd in _ODD:
            changed = copy.deepcopy(whole)
            holder = changed
            for part in path[:-1]:
                holder = holder[part]
            holder[path[-1]] = odd
            yield changed
        if isinstance(path[-1], str):
            del holder[path[-1]]
            yield changed


def _places(whole: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = whole.items() if isinstance(whole, Mapping) else enumerate(whole) if isinstance(whole, list) else ()
    for key, value in parts:
        yield (*above, key)
        yield from _places(value, (*above, key))


def _said(read: Callable[[], Any]) -> list[Any]:
    try:
        read()
    except ValidationError as error:
        said = error.errors(include_url=False, include_context=False)
        # Any sequence is read as a tuple.
        return [{**one, "type": one["type"].replace("list_type", "tuple_type")} for one in said]
    return []


@pytest.mark.parametrize("kind", [bytes, int | str, dict[str, bytes], InputError])
def test_a_type_that_nothing_is_said_of_is_a_fault_of_ours(kind: Any) -> None:
    with pytest.raises(TypeError):
        shapes.reader(kind)
