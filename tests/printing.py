"""A verb is run once for each way in which printing can go wrong: `python -m tests.printing ARGUMENTS...`.

Each way has a process of its own, forked from one that has loaded the verb, whose standard streams are made as Python
makes them at its start. Prints one JSON object: by way the exit code and what arrived on both streams.
"""

import importlib
import io
import json
import os
import pty
import resource
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioner.cli import main


def _file(number: int, encoding: str, errors: str = "strict") -> Any:
    return io.TextIOWrapper(open(number, "wb", closefd=False), encoding, errors)


def _encoded(encoding: str) -> Callable[[], None]:
    def prepare() -> None:
        sys.stdout, sys.stderr = _file(1, encoding), _file(2, encoding, "backslashreplace")

    return prepare


def _to(path: str, number: int = 1) -> Callable[[], None]:
    def prepare() -> None:
        _encoded("utf-8")()
        os.dup2(os.open(path, os.O_WRONLY), number)

    return prepare


def _early(number: int = 1) -> Callable[[], None]:
    def prepare() -> None:
        _encoded("utf-8")()
        reads, writes = os.pipe()
        os.dup2(writes, number)
        os.close(reads)
        os.close(writes)

    return prepare


def _closed(number: int) -> Callable[[], None]:
    def prepare() -> None:
        _encoded("utf-8")()
        os.close(number)
        setattr(sys, {0: "stdin", 1: "stdout", 2: "stderr"}[number], None)

    return prepare


def _narrow() -> None:
    os.environ["COLUMNS"] = "30"
    parent, child = pty.openpty()
    os.dup2(child, 2)
    os.close(parent)
    _encoded("utf-8")()
    sys.stdout.isatty = lambda: True  # type: ignore[method-assign]


def _no_threads() -> None:
    _encoded("utf-8")()

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    # What RLIMIT_NPROC does, to which root is not subject.
    threading.Thread.start = refuse  # type: ignore[method-assign]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _together(*prepare: Callable[[], None]) -> Callable[[], None]:
    def all_of_them() -> None:
        for each in prepare:
            each()

    return all_of_them


WAYS: dict[str, Callable[[], None]] = {
    "utf-8": _encoded("utf-8"),
    "cp1252, and closed stdin": _together(_closed(0), _encoded("cp1252")),
    "ascii, and nobody reads stderr": _together(_early(2), _encoded("ascii")),
    "30 columns": _narrow,
    "a pipe that is closed": _early(),
    "/dev/full": _to("/dev/full"),
    "closed stdout": _closed(1),
    "closed stderr": _closed(2),
    "no threads, and /dev/full for stderr": _together(_to("/dev/full", 2), _no_threads),
}


def one(prepare: Callable[[], None], arguments: list[str]) -> dict[str, Any]:
    """How a command ends in a process of its own."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            try:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                prepare()
                main(arguments)
            except SystemExit as ended:
                os._exit(int(ended.code or 0))
            finally:
                os._exit(99)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return {"code": code, "out": out.read().decode("latin-1"), "err": err.read().decode("latin-1")}


def _all(arguments: list[str]) -> dict[str, dict[str, Any]]:
    importlib.import_module(f"provisioner.cli.verbs.{next(word for word in arguments[2:] if not word.startswith('-'))}")
    return {way: one(prepare, arguments) for way, prepare in WAYS.items()}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(_all(sys.argv[2:])), "utf-8")
