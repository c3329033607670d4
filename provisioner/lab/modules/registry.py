"""ansible.windows.win_regedit and win_reg_stat."""

import re
from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec
from provisioner.lab.windows import variables
from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.registry import Value

_KINDS = {
    "none": "None",
    "binary": "Binary",
    "dword": "DWord",
    "expandstring": "ExpandString",
    "multistring": "MultiString",
    "string": "String",
    "qword": "QWord",
}
_SHOWN = {
    "Binary": "REG_BINARY",
    "String": "REG_SZ",
    "DWord": "REG_DWORD",
    "QWord": "REG_QWORD",
    "MultiString": "REG_MULTI_SZ",
    "ExpandString": "REG_EXPAND_SZ",
    "None": "REG_NONE",
}

SPEC: Spec = {
    "path": Option(required=True, aliases=("key",)),
    "name": Option(aliases=("entry", "value")),
    "data": Option(kind="raw"),
    "type": Option(default="string", choices=tuple(_KINDS), aliases=("datatype",)),
    "state": Option(default="present", choices=("present", "absent")),
    "delete_key": Option(kind="bool", default=True),
    "hive": Option(unmodelled=True),
}
STAT_SPEC: Spec = {"path": Option(required=True, aliases=("key",)), "name": Option(aliases=("entry", "value"))}

_PATH = re.compile(r"HK(?:CC|CR|CU|LM|U):\\", re.IGNORECASE)


def win_regedit(call: Call) -> dict[str, Any]:
    """Set or remove a value, make or remove a key."""
    path = call.args["path"]
    if not _PATH.match(path):
        raise Failed(f"path: {path} is not a valid powershell path, see module documentation for examples.")
    answer = {"changed": False, "data_changed": False, "data_type_changed": False}
    before, after = (_absent if call.args["state"] == "absent" else _present)(call, answer)
    return {**answer, "diff": {"before": before, "after": after}} if call.diff else answer


def _absent(call: Call, answer: dict[str, Any]) -> tuple[Any, Any]:
    path, name, registry = call.args["path"], call.args["name"] or "", call.machine.registry
    key = registry.key(path)
    if key is None:
        return "", ""
    if call.args["delete_key"] and not name:
        answer["changed"] = True
        if not call.check:
            registry.remove(path)
            call.machine.happened("registry_changed", key=path)
        return {path: {}}, {}
    value = key.values.get(name.lower())
    if value is None:
        return "", ""
    answer["changed"] = True
    if not call.check:
        del key.values[name.lower()]
        call.machine.happened("registry_changed", key=path, value=name)
    return {path: {name: _difference(value)}}, {path: {}}


def _present(call: Call, answer: dict[str, Any]) -> tuple[Any, Any]:
    path, registry = call.args["path"], call.machine.registry
    wanted = _wanted(call)
    key = registry.key(path)
    before: dict[str, Any] = {path: {}} if key else {}
    after: dict[str, Any] = {path: {}}
    old = key.values.get(wanted.name.lower()) if key else None
    answer["changed"] = key is None
    if key is None and call.check:
        return before, after
    if key is None and wanted.data is None:
        registry.make(path)
        call.machine.happened("registry_changed", key=path)
    if wanted.data is None:
        return before, after
    if old:
        answer["data_type_changed"] = old.kind != wanted.kind
        answer["data_changed"] = _differs(old.data, wanted.data)
        before[path][wanted.name] = _difference(old)
    after[path][wanted.name] = _difference(wanted)
    if old is None or answer["data_type_changed"] or answer["data_changed"]:
        answer["changed"] = True
        if not call.check:
            registry.put(path, wanted.name, wanted.kind, wanted.data)
            call.machine.happened("registry_changed", key=path, value=wanted.name)
    return before, after


def _wanted(call: Call) -> Value:
    """The value that is asked for; its data is None where only the key is wanted."""
    name, kind, data = call.args["name"] or "", call.args["type"], call.args["data"]
    # The value without a name can only be text.
    kind = kind if name else "string"
    if kind in ("binary", "none"):
        data = _bytes(data)
    elif kind in ("dword", "qword"):
        data = _number(kind, data)
    elif kind == "multistring":
        data = [str(item) for item in data] if isinstance(data, list) else [] if data is None else [str(data)]
    elif data is not None or name:
        data = "" if data is None else str(data)
    return Value(name=name, kind=_KINDS[kind], data=data)


def _bytes(data: Any) -> list[int]:
    if isinstance(data, list):
        return [int(item) for item in data]
    if isinstance(data, int):
        if data > 255:
            raise Failed(
                f"cannot convert binary data '{data}' to byte array, please specify this value as a yaml byte array "
                "or a comma separated hex value string"
            )
        return [data]
    digits = re.findall(r"[0-9a-f]{2}", re.sub(r"^hex:", "", (data or "").lower()))
    return [int(pair, 16) for pair in digits]


def _differs(old: Any, new: Any) -> bool:
    """As the module compares: texts by their letters, lists by Compare-Object, which takes no account of case."""
    if isinstance(old, list):
        return [str(item).lower() for item in old] != [str(item).lower() for item in _several(new)]
    if isinstance(old, str) and isinstance(new, list):
        return old != " ".join(str(item) for item in new)
    return bool(old != new)


def _several(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [data]


def _number(kind: str, data: Any) -> int:
    if isinstance(data, float) and data % 1:
        raise Failed(f"data '{data}' cannot be a decimal or float value with a remainder when type is dword or qword")
    data = int(data) if isinstance(data, float) else data
    try:
        number = int(str(data or 0), 0)
    except ValueError:
        raise Failed(
            f'Unhandled exception while executing module: Cannot convert value "{data}" to type "System.UInt64". '
            'Error: "Input string was not in a correct format."'
        ) from None
    if number >= 2 ** (32 if kind == "dword" else 64):
        largest = "0xffffffff" if kind == "dword" else "0xffffffffffffffff"
        raise Failed(f"data cannot be larger than {largest} when type is {kind}")
    return number


def _difference(value: Value) -> dict[str, Any]:
    shown = value.data
    if value.kind in ("Binary", "None"):
        shown = [f"0x{byte:02x}" for byte in value.data]
    elif value.kind in ("DWord", "QWord"):
        digits = 8 if value.kind == "DWord" else 16
        shown = f"0x{value.data % 16**digits:0{digits}x}"
    return {"type": value.kind, "value": shown}


def win_reg_stat(call: Call) -> dict[str, Any]:
    """Tell of a key, or of one of its values."""
    path, name = call.args["path"], call.args["name"]
    if not _PATH.match(path):
        raise Failed(f"path: {path} is not a valid registry path, see module documentation for examples.")
    key = call.machine.registry.key(path)
    if key is None:
        return {"changed": False, "exists": False}
    if name is not None:
        value = key.values.get(name.lower())
        return {"changed": False, "exists": value is not None, **(_told(call.machine, value) if value else {})}
    properties = {value.name: _told(call.machine, value) for value in key.values.values()}
    return {
        "changed": False,
        "exists": True,
        "properties": properties,
        "sub_keys": call.machine.registry.below(path),
    }


def _told(machine: Machine, value: Value) -> dict[str, Any]:
    raw = [f"0x{byte:02x}" for byte in value.data] if value.kind in ("Binary", "None") else value.data
    shown = value.data
    if value.kind == "ExpandString":
        shown = variables.expand(machine, shown)
    return {"type": _SHOWN[value.kind], "value": shown, "raw_value": raw}
