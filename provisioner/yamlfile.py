"""A YAML file with the line of everything in it, and every fault that can be found in its text."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from provisioner import files
from provisioner.errors import Fault

Place = tuple[str | int, ...]

# Far beyond what any setting needs; PyYAML takes long for what is nested deeply.
_DEEPEST = 20
# Ten times as fast, in words of its own, and not in every build of PyYAML.
_QUICK: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass
class Document:
    """What a file holds. `data` is None where it could not be read at all, and then there are faults.

    A place is the way to a value: keys, and numbers in lists. `texts` has each scalar as it is written; `broken` are
    the places whose value has a fault, and is None.
    """

    name: str
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    broken: set[Place] = field(default_factory=set)

    def line(self, place: Place) -> int | None:
        """The line of that place, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)

    def fault(self, place: Place, message: str, hint: str = "", *, warning: bool = False) -> Fault:
        """A fault at that place."""
        return Fault(self.name, self.line(place), message, hint, warning)


def is_file(path: Path) -> bool:
    """Whether a file is there; what cannot be looked at is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_missing(path: Path) -> bool:
    """Whether nothing is there. What cannot be looked at is not missing: reading it says why."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def read(path: Path, *, ours: bool = False) -> Document:
    """The document of a YAML file; one that is missing, broken or no mapping or list has faults and no data. `ours`:
    it came with provisioner, so that it is right: what a quicker parser says of wrong ones does not matter, and nobody
    has made it so that it takes long."""
    document = Document(path.name)
    try:
        text = files.decode(files.read(path, files.SETTINGS))
    except OSError as error:
        message = "is missing." if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}."
        document.faults.append(Fault(path.name, None, message, "`provisioner init DIR` writes a whole folder."))
        return document
    except ValueError as error:
        document.faults.append(Fault(path.name, None, str(error), "Save it as text in UTF-8."))
        return document
    try:
        if ours or _simple(text, document):
            _parse(text, document, _QUICK if ours else yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        hint = "Indent with blanks, not with tabs." if "'\\t'" in problem else "Mend the line, or the one before it."
        line = mark.line + 1 if mark else None
        document.faults.append(Fault(path.name, line, f"is not YAML: {problem}.", hint))
    except yaml.YAMLError as error:
        document.faults.append(Fault(path.name, None, f"is not YAML: {' '.join(str(error).split())}.", ""))
    except RecursionError:
        document.faults.append(Fault(path.name, None, "is nested too deeply.", "A bracket too many?"))
    return document


def _simple(text: str, document: Document) -> bool:
    """Whether the text is nested no deeper than can be read, and has no alias; that it has one is a fault. Errors:
    RecursionError, yaml.YAMLError."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise RecursionError
        if isinstance(event, yaml.AliasEvent):
            # One alias can stand for a document of any size, and what it means is not where it is written.
            message = f"the alias *{event.anchor} is not read here."
            mark = event.start_mark
            document.faults.append(
                Fault(document.name, mark.line + 1 if mark else None, message, "Write the value out.")
            )
            return False
    return True


def _parse(text: str, document: Document, loading: Any) -> None:
    loader = loading(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            document.data = _Builder(document, loader.construct_object).build(node, ())
    finally:
        loader.dispose()


class _Builder:
    """Makes plain data of YAML nodes. Keys stay as they are written: `on` is no boolean here."""

    def __init__(self, document: Document, scalar: Callable[[yaml.Node], Any]) -> None:
        self._document, self._scalar = document, scalar

    def build(self, node: yaml.Node, place: Place) -> Any:
        self._document.lines.setdefault(place, node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_TAGS:
            return self._broken(place, f"there is no use for the tag {node.tag!r} here.", "Leave it out.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        self._document.texts[place] = node.value
        try:
            node.value.encode()
            return self._scalar(node)
        except UnicodeEncodeError:
            return self._broken(place, "half a character, which cannot be written to a file.", "Write it whole.")
        except ValueError as error:
            return self._broken(place, f"{node.value!r} is no value: {error}.", "")
        except yaml.constructor.ConstructorError as error:
            return self._broken(place, f"{node.value!r} is no value: {error.problem}.", "Leave the tag out.")

    def _broken(self, place: Place, message: str, hint: str) -> None:
        self._document.faults.append(self._document.fault(place, message, hint))
        self._document.broken.add(place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.value.isprintable():
                self._document.faults.append(Fault(self._document.name, line, "a key is to be a word."))
                continue
            key = key_node.value
            if key in found:
                message = f"{key} is here twice; first in line {self._document.lines[(*place, key)]}."
                self._document.faults.append(Fault(self._document.name, line, message, "Keep one of them."))
                continue
            self._document.lines[(*place, key)] = line
            found[key] = self.build(value_node, (*place, key))
        return found
