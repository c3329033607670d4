"""A module's arguments as Ansible.Basic and the older parser take them: aliases, defaults, types, choices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.lab.machine import Machine


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
    """One argument of a module. `kind`: str, bool, int, list, dict, raw. `unmodelled`: the lab cannot act it out
    unless it has its default value."""

    kind: str = "str"
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
_NET = {"str": "System.String", "list": "System.Object[]", "float": "System.Double"}


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


def parse(module: str, spec: Spec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments under their own names, with defaults. Raises Failed as the module would, or Unmodelled."""
    given = {name: value for name, value in arguments.items() if not name.startswith("_ansible_")}
    names = {alias: name for name, option in spec.items() for alias in (name, *option.aliases)}
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise Failed(
            f"Unsupported parameters for ({module}) module: {', '.join(unknown)}. "
            f"Supported parameters include: {', '.join(sorted(spec))}"
        )
    said = {names[alias]: value for alias, value in given.items() if value is not None}
    missing = sorted(name for name, option in spec.items() if option.required and name not in said)
    if missing and module in _LEGACY:
        raise Failed(f"Get-AnsibleParam: Missing required argument: {missing[0]}")
    if missing:
        raise Failed(f"missing required arguments: {', '.join(missing)}")
    return {name: _one(module, name, option, said) for name, option in spec.items()}


def _one(module: str, name: str, option: Option, said: Mapping[str, Any]) -> Any:
    value = _typed(name, option.kind, said[name]) if name in said else option.default
    if option.unmodelled and value not in (option.default, None):
        raise Unmodelled(f"{module}: the lab does not model {name}={value!r}")
    if option.choices and value is not None:
        for one in value if isinstance(value, list) else [value]:
            if one not in option.choices:
                if module in _LEGACY:
                    allowed = ",".join(option.choices)
                    raise Failed(f"Get-AnsibleParam: Argument {name} needs to be one of {allowed} but was {one}.")
                allowed = ", ".join(option.choices)
                raise Failed(f"value of {name} must be one of: {allowed}. Got no match for: {one}")
    return value


_TRUE = frozenset({"y", "yes", "on", "1", "true", "t", "1.0"})
_FALSE = frozenset({"n", "no", "off", "0", "false", "f", "0.0"})


def _typed(name: str, kind: str, value: Any) -> Any:
    if kind == "bool" and not isinstance(value, bool):
        return _boolean(str(value))
    if kind == "int" and not isinstance(value, int):
        try:
            return int(value)
        except (TypeError, ValueError):
            kind = _NET.get(type(value).__name__, type(value).__name__)
            raise Failed(
                f"argument for {name} is of type {kind} and we were unable to convert to int: "
                "Input string was not in a correct format."
            ) from None
    if kind == "list" and not isinstance(value, list):
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else [value]
    if kind == "str" and not isinstance(value, str):
        return str(value)
    return value


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise Failed(f"The value '{text}' is not a valid boolean.")
