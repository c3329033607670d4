"""A module's arguments as Ansible.Basic and the older parser take them: aliases, defaults, types, choices."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.lab.windows.machine import Machine


class Unmodelled(Exception):
    """A module, or an argument of one, that the lab does not know how to act out."""


class Failed(Exception):
    """The module ends as failed: `message` is its msg, `values` its further return values."""

    def __init__(self, message: str, **values: Any) -> None:
        super().__init__(message)
        self.message = message
        self.values = values


@dataclass(frozen=True, kw_only=True)
class Option:
    """One argument of a module. `kind`: str, path, bool, int, uint32, list, dict, raw; `elements` is the kind of a
    list's parts, "" for as they come. `unmodelled`: the lab cannot act it out unless it has its default value."""

    kind: str = "str"
    elements: str = ""
    default: Any = None
    required: bool = False
    choices: Sequence[str] = ()
    aliases: Sequence[str] = ()
    unmodelled: bool = False


Spec = Mapping[str, Option]

# Modules on the older parser, which has its own words.
_LEGACY = frozenset(
    (
        *(f"ansible.windows.{name}" for name in ("win_copy", "win_file", "win_reg_stat")),
        "community.windows.win_firewall_rule",
    )
)
# .NET's names of what may come where another type is wanted.
_NET = {
    "str": "System.String",
    "list": "System.Object[]",
    "float": "System.Double",
    "bool": "System.Boolean",
    "int": "System.Int32",
    "dict": "System.Collections.Generic.Dictionary`2[System.String,System.Object]",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One run of a module: on which machine, with which arguments (as `parse` gives them), and how.

    `fetch` gets what a URL holds; raises OSError where it cannot.
    """

    machine: Machine
    args: Mapping[str, Any]
    check: bool
    diff: bool
    fetch: Callable[[str], bytes]
    now: float


def parse(
    module: str, spec: Spec, given: Mapping[str, Any], expand: Callable[[str], str] = lambda text: text
) -> dict[str, Any]:
    """All arguments of a module by their proper names, typed; `expand` puts variables into paths.

    Raises Failed, or Unmodelled.
    """
    given = {name: value for name, value in given.items() if not name.startswith("_ansible_")}
    # Both parsers take names in any case.
    names = {alias.lower(): name for name, option in spec.items() for alias in (name, *option.aliases)}
    unknown = sorted(name for name in given if name.lower() not in names)
    if unknown and module not in _LEGACY:
        raise Failed(
            f"Unsupported parameters for ({module}) module: {', '.join(unknown)}. "
            f"Supported parameters include: {', '.join(sorted(spec))}"
        )
    known = {name: value for name, value in given.items() if name.lower() in names and value is not None}
    said = {names[name.lower()]: value for name, value in known.items()}
    missing = sorted(name for name, option in spec.items() if option.required and name not in said)
    if missing and module in _LEGACY:
        raise Failed(f"Get-AnsibleParam: Missing required argument: {missing[0]}")
    if missing:
        raise Failed(f"missing required arguments: {', '.join(missing)}")
    types = _LegacyTypes(expand) if module in _LEGACY else _Types(expand)
    return {name: _one(module, name, option, said, types) for name, option in spec.items()}


def _one(module: str, name: str, option: Option, said: Mapping[str, Any], types: "_Types") -> Any:
    value = types.typed(name, option, said[name]) if name in said else option.default
    if option.unmodelled and value not in (option.default, None):
        raise Unmodelled(f"{module}: the lab does not model {name}={value!r}")
    if option.choices and value is not None:
        return types.chosen(name, option, value)
    return value


_TRUE = ("y", "yes", "on", "1", "true", "t", "1.0")
_FALSE = ("n", "no", "off", "0", "false", "f", "0.0")
_BOOLEANS = ", ".join(_TRUE + _FALSE)
_FORMAT = "Input string was not in a correct format."


class _Types:
    """Values as Ansible.Basic turns them into what is wanted."""

    def __init__(self, expand: Callable[[str], str]) -> None:
        self._expand = expand

    def typed(self, name: str, option: Option, value: Any) -> Any:
        """The value as its kind. Raises Failed."""
        try:
            value = self.converted(option.kind, value)
        except ValueError as error:
            kind = "delegate" if option.kind == "uint32" else option.kind
            raise Failed(
                f"argument for {name} is of type {_net(value)} and we were unable to convert to {kind}: {error}"
            ) from None
        return self._elements(name, option, value) if option.elements else value

    def converted(self, kind: str, value: Any) -> Any:
        """A value as that kind. Errors: ValueError in .NET's words."""
        if kind == "bool" and not isinstance(value, bool):
            return _boolean(str(value))
        if kind == "int":
            return _whole(value)
        if kind == "uint32":
            return _unsigned(value)
        if kind == "list" and not isinstance(value, list):
            return _list(value)
        if kind == "dict" and not isinstance(value, dict):
            return _table(value)
        if kind in ("str", "path") and not isinstance(value, str):
            value = str(value)
        if kind == "path":
            return self.path(value)
        return value

    def path(self, value: str) -> str:
        """A path with its variables put in. Errors: ValueError."""
        if not value:
            raise ValueError("The path is not of a legal form.")
        return value if value.startswith("\\\\?\\") else self._expand(value)

    def chosen(self, name: str, option: Option, value: Any) -> Any:
        """The choice that is meant, whatever its case. Raises Failed."""
        values = [str(item) for item in value] if isinstance(value, list) else [str(value)]
        proper = {choice.lower(): choice for choice in option.choices}
        wrong = [item for item in values if item.lower() not in proper]
        if wrong:
            raise Failed(self.no_choice(name, option, wrong, several=isinstance(value, list)))
        meant = [proper[item.lower()] for item in values]
        return meant if isinstance(value, list) else meant[0]

    def no_choice(self, name: str, option: Option, wrong: list[str], *, several: bool) -> str:
        """What is said of a value that is none of the choices."""
        of = "one or more of" if several else "one of"
        return f"value of {name} must be {of}: {', '.join(option.choices)}. Got no match for: {', '.join(wrong)}"

    def _elements(self, name: str, option: Option, values: list[Any]) -> list[Any]:
        done = []
        for value in values:
            try:
                done.append(self.converted(option.elements, value))
            except ValueError:
                # Here the parser gives the outer exception's words, not those of its cause.
                raise Failed(
                    f"argument for list entry {name} is of type {_net(value)} and we were unable to convert to "
                    f"{option.elements}: Exception has been thrown by the target of an invocation."
                ) from None
        return done


class _LegacyTypes(_Types):
    """Values as the older parser (Get-AnsibleParam) takes them: what is no truth is false, and it says little else."""

    def typed(self, name: str, option: Option, value: Any) -> Any:
        """The value as its kind. Raises Failed."""
        if option.kind == "list" and not isinstance(value, list | str | int):
            raise Failed(f"Get-AnsibleParam: Parameter '{name}' is not a YAML list.")
        if option.kind == "bool" and not isinstance(value, bool):
            return str(value).lower() in ("yes", "on", "1", "true")
        if option.kind == "path" and value == "":
            raise Failed(
                "Unhandled exception while executing module: "
                "Cannot bind argument to parameter 'Path' because it is an empty string."
            )
        return super().typed(name, option, value)

    def no_choice(self, name: str, option: Option, wrong: list[str], *, several: bool) -> str:
        """What is said of a value that is none of the choices."""
        return f"Get-AnsibleParam: Argument {name} needs to be one of {','.join(option.choices)} but was {wrong[0]}."


def _net(value: Any) -> str:
    return _NET.get(type(value).__name__, type(value).__name__)


def _list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    raise ValueError(f"{_net(value)} cannot be converted to a list")


def _table(value: Any) -> dict[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) and value.startswith("{") else None
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    if isinstance(value, str) and "=" in value:
        raise Unmodelled(f"the lab does not model a table that is written as {value!r}")
    if isinstance(value, str):
        raise ValueError("string cannot be converted to a dict, must either be a JSON string or in the key=value form")
    raise ValueError(f"{_net(value)} cannot be converted to a dict")


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(str(value))
    except ValueError:
        raise ValueError(_FORMAT) from None


def _unsigned(value: Any) -> int:
    """As PowerShell's own [UInt32] has it, which takes hexadecimal too."""
    try:
        number = int(str(value), 0)
    except ValueError:
        words = f'Cannot convert value "{value}" to type "System.UInt32". Error: "{_FORMAT}"'
        raise ValueError(words) from None
    if not 0 <= number < 2**32:
        words = "Value was either too large or too small for a UInt32."
        raise ValueError(f'Cannot convert value "{value}" to type "System.UInt32". Error: "{words}"')
    return number


def _boolean(text: str) -> bool:
    said = text.lower().strip()
    if said in _TRUE:
        return True
    if said in _FALSE:
        return False
    raise ValueError(f"The value '{said}' is not a valid boolean. Valid booleans include: {_BOOLEANS}")
