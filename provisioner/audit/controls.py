"""An entry of gateway.yml -> Control: every key that does not exist and every value of the wrong kind, at once."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic_core import CoreConfig, SchemaValidator, ValidationError
from pydantic_core import core_schema as core

from provisioner import remedies
from provisioner.errors import suggest
from provisioner.model import Control, Impact, Role

# Whose job it can be. How people call them is the reports' concern.
OWNERS = frozenset({"practice", "icb-it", "desktop", "network", "antivirus", "vendor", "tpp"})
OPERATORS = ("is", "at_least", "at_most", "one_of")

# How a control is written in gateway.yml, value by value.
_FILLED = core.str_schema(pattern=r"\S")
_TEXT = core.no_info_after_validator_function(lambda text: " ".join(text.split()), _FILLED)
_NUMBER = core.union_schema([core.int_schema(), core.float_schema()])
_OPERAND = core.union_schema(
    [core.bool_schema(), core.int_schema(), core.float_schema(), core.str_schema(min_length=1)]
)
_NEEDED = {
    "id": _TEXT,
    "requirement": core.str_schema(pattern="^(R([1-9]|1[0-7])|ours)$"),
    "title": _TEXT,
    "impact": core.enum_schema(Impact, list(Impact), sub_type="str", strict=False),
    "fact": _TEXT,
    "wants": _TEXT,
    "failed": _TEXT,
}
_MORE = {
    **dict.fromkeys(("remedy", "owner", "shows", "ask", "undo"), _TEXT),
    "applies_when": core.dict_schema(_FILLED, core.list_schema(_FILLED, min_length=1), min_length=1),
    "is": _OPERAND,
    "at_least": _NUMBER,
    "at_most": _NUMBER,
    "one_of": core.list_schema(_OPERAND, min_length=1),
}
_ENTRY = SchemaValidator(
    core.typed_dict_schema(
        {key: core.typed_dict_field(kind, required=key in _NEEDED) for key, kind in (_NEEDED | _MORE).items()},
        config=CoreConfig(strict=True, extra_fields_behavior="forbid"),
    )
)


def read_control(entry: Any, fact_names: Collection[str]) -> tuple[Control | None, list[tuple[str, str]]]:
    """The control that an entry is, or None and all that is wrong: messages, each with a hint ("" where there is none).

    `fact_names` are the facts that it may name.
    """
    if not isinstance(entry, dict):
        return None, [("a control is a mapping with id, title, fact ...", "")]
    complaints = list(_rules(entry, fact_names))
    try:
        values = _ENTRY.validate_python(entry)
    except ValidationError as error:
        complaints += (_words(entry, wrong["loc"], wrong["type"]) for wrong in error.errors(include_url=False))
    if complaints:
        name = entry.get("id", "a control without id")
        # A value that is of none of several kinds is said to be wrong by each.
        return None, [(f"{name}: {message}", hint) for message, hint in dict.fromkeys(complaints)]
    operator = next(key for key in OPERATORS if key in values)
    operand = values.pop(operator)
    values["operand"] = tuple(operand) if operator == "one_of" else operand
    values["applies_when"] = {key: tuple(texts) for key, texts in values.get("applies_when", {}).items()}
    return Control(**values, operator=operator), []


def _rules(entry: Mapping[str, Any], fact_names: Collection[str]) -> Iterator[tuple[str, str]]:
    """What must be true of an entry beyond the shape of each value."""
    if (entry.get("remedy") is None) == (entry.get("owner") is None):
        yield "exactly one of remedy and owner says who mends it.", ""
    # A check that compares nothing would pass or fail for no reason.
    if sum(operator in entry for operator in OPERATORS) != 1:
        yield f"exactly one of {', '.join(OPERATORS)} says what the fact is compared with.", ""
    applies = entry["applies_when"] if isinstance(entry.get("applies_when"), dict) else {}
    roles = applies["role"] if isinstance(applies.get("role"), list) else []
    for message, word, known in (
        ("fact names {}, which is no fact.", entry.get("fact"), fact_names),
        ("shows names {}, which is no fact.", entry.get("shows"), fact_names),
        *(("applies_when names {}, which is no fact.", name, {*fact_names, "role"}) for name in applies),
        *(("there is no role {}.", role, list(Role)) for role in roles),
        ("there is no remedy {!r}.", entry.get("remedy"), remedies.order()),
        ("there is no owner {!r}.", entry.get("owner"), OWNERS),
    ):
        if isinstance(word, str) and word.strip() and word not in known:
            yield message.format(word), suggest(word, known)


def _words(entry: Mapping[str, Any], place: tuple[int | str, ...], kind: str) -> tuple[str, str]:
    """Message and hint for one error of pydantic's core."""
    key, value = str(place[0]), entry.get(str(place[0]))
    if kind == "extra_forbidden":
        return f"there is no key {key!r}.", suggest(key, _NEEDED | _MORE)
    if key in OPERATORS:
        return f"{key} compares with nothing: {value!r}.", ""
    if key == "impact":
        return f"impact is {value!r}, and must be required or advice.", ""
    if key == "applies_when" and len(place) > 1:
        return f"applies_when: {place[1]} must be a list of texts (quote yes and no).", ""
    if key == "applies_when":
        return "applies_when is empty; without it the control holds everywhere.", ""
    if value is None or not str(value).strip():
        return f"{key} is {'missing' if key in _NEEDED else 'empty'}.", ""
    if key == "requirement":
        return f"requirement {value} is neither R1 to R17 nor 'ours'.", ""
    return f"{key} is {value!r}, and must be a text.", "Put it in quotes."
