"""A pretend gateway's registry: keys and values by name, without regard to case."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Value:
    """One value; `kind` is .NET's name of its type: String, ExpandString, DWord, QWord, MultiString, Binary, None.

    `data` is text, a number, a list of texts or a list of bytes as numbers.
    """

    name: str
    kind: str
    data: Any


@dataclass
class Key:
    """One key with its values, by their names in lower case."""

    path: str
    values: dict[str, Value] = field(default_factory=dict)


@dataclass
class Registry:
    """The keys by path in lower case; a path begins with HKLM:\\ and its like."""

    keys: dict[str, Key] = field(default_factory=dict)

    def key(self, path: str) -> Key | None:
        """The key of that path, if there is one."""
        return self.keys.get(_folded(path))

    def value(self, path: str, name: str) -> Any:
        """A value's data, or None."""
        key = self.key(path)
        value = key.values.get(name.lower()) if key else None
        return value.data if value else None

    def make(self, path: str) -> Key:
        """The key of that path, made with those above it where it is not there."""
        parts = path.rstrip("\\").split("\\")
        for count in range(2, len(parts) + 1):
            above = "\\".join(parts[:count])
            self.keys.setdefault(_folded(above), Key(path=above))
        return self.keys[_folded(path)]

    def put(self, path: str, name: str, kind: str, data: Any) -> None:
        """Set a value, and make its key where that is not there."""
        self.make(path).values[name.lower()] = Value(name=name, kind=kind, data=data)

    def remove(self, path: str) -> bool:
        """Take a key and all below it away; whether there was one."""
        start = _folded(path)
        gone = [name for name in self.keys if name == start or name.startswith(start + "\\")]
        for name in gone:
            del self.keys[name]
        return bool(gone)

    def below(self, path: str) -> list[str]:
        """The names of the keys straight below one."""
        start = _folded(path) + "\\"
        found = (key.path for name, key in self.keys.items() if name.startswith(start))
        return sorted(name[len(start) :] for name in found if "\\" not in name[len(start) :])


def _folded(path: str) -> str:
    return path.rstrip("\\").lower()
