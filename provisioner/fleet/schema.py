"""fleet.yml -> Settings: every key that does not exist and every value of the wrong kind, at once."""

import dataclasses
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, TypedDict

from provisioner.errors import Fault, suggest
from provisioner.model import adapters
from provisioner.model import settings as shapes
from provisioner.model.product import PRODUCT
from provisioner.model.settings import VERSION, Settings
from provisioner.yamlfile import Document, Place, read

# Which shape the keys at a place have; * stands for any key or number.
_SHAPES: dict[tuple[str, ...], type] = {
    (): Settings,
    ("contact",): shapes.Contact,
    ("connection",): shapes.Connection,
    ("directory",): shapes.Domain,
    ("find",): shapes.Find,
    ("packages", "*"): shapes.Package,
    ("connector",): shapes.Connector,
    ("connector", "files", "*"): shapes.ConnectorFile,
    ("java",): shapes.Java,
    ("service",): shapes.Service,
    ("antivirus",): shapes.Antivirus,
    ("systmone",): shapes.SystmOne,
    ("rollout",): shapes.Rollout,
    ("rollout", "approvers", "*"): shapes.Approver,
}
_COUNTS = ("failed", "unreachable", "refused", "unknown")
_GUARDS: tuple[Place, ...] = (("read_only",), ("rollout", "approval"))
# What YAML reads by eights, by sixteens, by sixties, or past a line under it.
_ODD = re.compile(r"[+-]?(0[0-9xob].*|.*[_:].*)")
_PLACEHOLDERS: dict[Place, Any] = {("version",): VERSION, ("endpoints",): []}


class Wrong(TypedDict):
    """What pydantic's core says of one place, as far as it is used here."""

    loc: Place
    type: str
    msg: str


def settings(path: Path) -> tuple[Settings | None, Document, set[Place]]:
    """The settings as far as they can be read, the document with all its faults, and the places that have one.

    What is wrong is left at its default, so that the rest can be checked too; None where nothing can be read.
    """
    document = read(path)
    wrong = document.broken
    if document.data is None:
        if not document.faults:
            document.faults.append(Fault(document.name, None, "is empty.", "`provisioner init DIR` writes one."))
        return None, document, wrong
    if not isinstance(document.data, dict):
        message = "is to hold settings, one `name: value` a line."
        document.faults.append(document.fault((), message, "`provisioner init DIR` writes one."))
        return None, document, wrong
    if _newer(document):
        return None, document, wrong
    _guards(document, wrong)
    document.data = _as_written(_without_blanks(document.data), document, ())
    _counts(document, wrong)
    # Each turn takes out what the one before found wrong, which may uncover what stood behind it.
    for _ in range(10):
        errors = _errors(document.data)
        if not errors:
            return adapters.parse(Settings, _json(document.data), strict=True), document, wrong
        # A key that does not exist comes first: what is wrong below it does not matter then.
        for error in sorted(errors, key=lambda error: error["loc"][-1:] != ("[key]",)):
            _report(document, error, wrong)
    return None, document, wrong


def _newer(document: Document) -> bool:
    version = document.data.get("version")
    if isinstance(version, int) and version > VERSION:
        message = f"this folder is made for a newer provisioner (version {version}; this one reads {VERSION})."
        document.faults.append(document.fault(("version",), message, "Install a newer provisioner; nothing was read."))
        return True
    return False


def _guards(document: Document, wrong: set[Place]) -> None:
    """What keeps something from being done is not off because somebody forgot to say so."""
    for place in _GUARDS:
        section = document.data if len(place) == 1 else document.data.get(place[0])
        if isinstance(section, dict) and section.get(place[-1], "") is None:
            message = f"{dotted(place)} has no value."
            document.faults.append(document.fault(place, message, "Write true or false."))
            wrong.add(place)


def _as_written(data: Any, document: Document, place: Place) -> Any:
    """With the text of what is a number to YAML alone: 010 is 8 to it, and 1:30 is 90. Where a number is wanted such a
    text is a fault."""
    if isinstance(data, dict):
        return {key: _as_written(value, document, (*place, key)) for key, value in data.items()}
    if isinstance(data, list):
        return [_as_written(value, document, (*place, at)) for at, value in enumerate(data)]
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    return document.texts[place] if is_number and _ODD.fullmatch(document.texts[place]) else data


def _without_blanks(data: Any) -> Any:
    """Without the keys that have no value: a section of which every line is commented out says nothing."""
    if isinstance(data, dict):
        return {key: _without_blanks(value) for key, value in data.items() if value is not None or key in _COUNTS}
    return [_without_blanks(value) for value in data] if isinstance(data, list) else data


def _counts(document: Document, wrong: set[Place]) -> None:
    """In the failure budget `none` means any number; a blank is more likely to be an oversight."""
    rollout = document.data.get("rollout")
    for name in _COUNTS if isinstance(rollout, dict) else ():
        if name in rollout and rollout[name] is None:
            hint = "Write a number, or none for any number."
            document.faults.append(document.fault(("rollout", name), f"rollout.{name} has no value.", hint))
            wrong.add(("rollout", name))
            del rollout[name]
        elif str(rollout.get(name, "")).lower() == "none":
            rollout[name] = None


def _json(data: Any) -> str:
    return json.dumps(data, default=lambda value: value.isoformat() if isinstance(value, date) else str(value))


def _errors(data: Any) -> list[Wrong]:
    # By way of JSON, because strictness there still takes a list for a tuple and a text for a date.
    errors = adapters.wrong(Settings, _json(data))
    return [Wrong(loc=wrong["loc"], type=wrong["type"], msg=wrong["msg"]) for wrong in errors]


def _report(document: Document, error: Wrong, wrong: set[Place]) -> None:
    """Say what is wrong at one place, and take it out. A text that YAML took for something else becomes one again."""
    place = tuple(part for part in error["loc"] if part != "[key]")
    is_key = len(place) < len(error["loc"])
    if error["type"] == "string_type" and place in document.texts:
        _put(document.data, place, document.texts[place])
        return
    if not any(place[:length] in wrong for length in range(1, len(place) + 1)):
        wrong.add(place)
        document.faults.append(document.fault(place, *_words(document, place, error, is_key)))
    if error["type"] == "missing":
        _put(document.data, place, _PLACEHOLDERS.get(place, ""))
    else:
        _remove(document.data, place, wrong)


def _words(document: Document, place: Place, error: Wrong, is_key: bool) -> tuple[str, str]:
    """Message and hint for one error of pydantic's core."""
    name, where = str(place[-1]), dotted(place[:-1])
    if error["type"] == "missing":
        return f"{dotted(place)} is missing.", _missing_hint(place)
    if is_key:
        return f"there is no {name} in {where}.", suggest(name, PRODUCT.packages)
    if error["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"there is no setting {name}{f' in {where}' if where else ''}.", _key_hint(place)
    text = document.texts.get(place, "this")
    message = error["msg"].removeprefix("Input ").removeprefix("should be ")
    if error["type"] == "literal_error":
        words = message.replace(" or ", ", ").replace("'", "").split(", ")
        return f"{dotted(place)} is {text!r}; it is to be one of {', '.join(words)}.", suggest(text, words)
    wanted = {
        "dataclass_type": "settings of its own, one a line and indented",
        "mapping_type": "settings of its own, one a line and indented",
        "dict_type": "settings of its own, one a line and indented",
        "tuple_type": "a list, such as [1, 5, 20]",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "string_type": "one text",
    }.get(error["type"], message)
    return f"{dotted(place)} is {text!r}; it is to be {wanted}.", ""


def _missing_hint(place: Place) -> str:
    if place == ("version",):
        return f"Write `version: {VERSION}` first."
    return ""


def _key_hint(place: Place) -> str:
    """The nearest setting of the same section, or the section in which it would be right."""
    name = str(place[-1])
    near = suggest(name, _keys(place[:-1]))
    if near:
        return near
    homes = [shape for shape, kind in _SHAPES.items() if name in {setting.name for setting in dataclasses.fields(kind)}]
    if homes:
        return f"It belongs in {dotted(homes[0]).replace('*', 'NAME')}." if homes[0] else "It belongs at the top."
    return "This version does not have it; see docs/operations.md."


def _keys(place: Place) -> Iterator[str]:
    for shape, kind in _SHAPES.items():
        if len(shape) == len(place) and all(want in ("*", have) for want, have in zip(shape, place, strict=True)):
            yield from (setting.name for setting in dataclasses.fields(kind))


def dotted(place: Place) -> str:
    """A place as people write it: packages.jre.sha256."""
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in place)


def _put(data: Any, place: Place, value: Any) -> None:
    # What stood around it may have been taken out for another fault.
    with suppress(KeyError, IndexError, TypeError):
        for part in place[:-1]:
            data = data[part]
        data[place[-1]] = value


def _remove(data: Any, place: Place, wrong: set[Place]) -> None:
    """Take out what stands there. Of a list the whole, because its other items would change places."""
    if isinstance(place[-1], int):
        place = place[:-1]
        wrong.add(place)
    if place in _PLACEHOLDERS:
        _put(data, place, _PLACEHOLDERS[place])
        return
    with suppress(KeyError, IndexError, TypeError):
        for part in place[:-1]:
            data = data[part]
        del data[place[-1]]
