"""An entry of gateway.yml -> Control: every key that does not exist and every value of the wrong kind, at once."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from provisioner import remedies
from provisioner.errors import suggest
from provisioner.model import Control, Impact, Role

# Whose job it can be. How people call them is the reports' concern.
OWNERS = frozenset({"practice", "icb-it", "desktop", "network", "antivirus", "vendor", "tpp"})
OPERATORS = ("is", "at_least", "at_most", "one_of")

_Filled = Annotated[str, StringConstraints(pattern=r"\S")]
_Text = Annotated[_Filled, AfterValidator(lambda text: " ".join(text.split()))]
_Operand = bool | int | float | Annotated[str, Field(min_length=1)]


class ControlEntry(BaseModel):
    """A control as it is written in gateway.yml, value by value."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: _Text
    requirement: Annotated[str, StringConstraints(pattern="^(R([1-9]|1[0-7])|ours)$")]
    title: _Text
    impact: Annotated[Impact, Field(strict=False)]
    fact: _Text
    wants: _Text
    failed: _Text
    remedy: _Text = ""
    owner: _Text = ""
    shows: _Text = ""
    ask: _Text = ""
    undo: _Text = ""
    applies_when: dict[_Filled, Annotated[list[_Filled], Field(min_length=1)]] = Field({}, min_length=1)
    is_: _Operand = Field("", alias="is")
    at_least: int | float = 0
    at_most: int | float = 0
    one_of: list[_Operand] = Field([], min_length=1)


def read_control(entry: Any, fact_names: Collection[str]) -> tuple[Control | None, list[tuple[str, str]]]:
    """The control that an entry is, or None and all that is wrong: messages, each with a hint ("" where there is none).

    `fact_names` are the facts that it may name.
    """
    if not isinstance(entry, dict):
        return None, [("a control is a mapping with id, title, fact ...", "")]
    complaints = list(_rules(entry, fact_names))
    try:
        values = ControlEntry.model_validate(entry).model_dump(by_alias=True, exclude_unset=True)
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
    """Message and hint for one error of pydantic's."""
    key, value = str(place[0]), entry.get(str(place[0]))
    if kind == "extra_forbidden":
        known = (field.alias or name for name, field in ControlEntry.model_fields.items())
        return f"there is no key {key!r}.", suggest(key, known)
    if key in OPERATORS:
        return f"{key} compares with nothing: {value!r}.", ""
    if key == "impact":
        return f"impact is {value!r}, and must be required or advice.", ""
    if key == "applies_when" and len(place) > 1:
        return f"applies_when: {place[1]} must be a list of texts (quote yes and no).", ""
    if key == "applies_when":
        return "applies_when is empty; without it the control holds everywhere.", ""
    if value is None or not str(value).strip():
        return f"{key} is {'missing' if ControlEntry.model_fields[key].is_required() else 'empty'}.", ""
    if key == "requirement":
        return f"requirement {value} is neither R1 to R17 nor 'ours'.", ""
    return f"{key} is {value!r}, and must be a text.", "Put it in quotes."
