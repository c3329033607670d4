"""An option that would do nothing is refused with words, and one that a verb takes is looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from provisioner.cli import VERBS, options, provisioner
from provisioner.cli.examples import EXAMPLES
from provisioner.cli.options import TAKES, Common
from provisioner.errors import InputError, ProvisionerError
from provisioner.lab.process.client import Handle

_GIVEN = {
    "fleet": ("--fleet", "."), "only": ("--only", "A*"), "remedies": ("--remedy", "java"),
    "format": ("--format", "json"), "yes": ("--yes",), "verbose": ("--verbose",),
}  # fmt: skip
# Each verb as it is given where it would do something.
_WORDS: dict[str, tuple[str, ...]] = {
    "demo": ("--dir", "x"), "init": ("x",), "practices": (str(Path(__file__)),), "find": ("--addresses", "127.0.0.1"),
    "read": ("A81001",), "apply": ("p",), "undo": ("p",), "migrate start": ("A81001",), "show": ("a",),
    "approve": ("p",), "requests": ("--output", "x"), "why": ("A81001", "clock"),
    "migrate confirm": ("A81001", "s", "--by", "n"), "migrate finish": ("A81001",), "migrate undo": ("A81001",),
    "lease break": ("A81001", "--because", "x"), "record": ("p", "--output", "x"), "completion": ("bash",),
    "lab set": ("A81001", "none"),
}  # fmt: skip
_IDLE = [(verb, name) for verb, takes in TAKES.items() for name in _GIVEN if name not in takes.split()]
Run = Callable[..., Any]


def run(*arguments: str | Path) -> BaseException | None:
    """What the command ends in."""
    ran = CliRunner().invoke(provisioner, [str(one) for one in arguments], standalone_mode=False)
    return ran.exception


def test_each_verb_says_what_it_takes() -> None:
    assert {verb.partition(" ")[0] for verb in TAKES} == set(VERBS)
    assert set(_GIVEN) == {option.name for option in options._options()}


@pytest.mark.parametrize(("verb", "name"), _IDLE, ids=[f"{verb}-{name}" for verb, name in _IDLE])
def test_what_a_verb_does_not_look_at_is_refused_wherever_it_stands(verb: str, name: str) -> None:
    words = (*verb.split(), *_WORDS.get(verb, ()))
    for arguments in ((*_GIVEN[name], *words), (*words, *_GIVEN[name])):
        error = run(*arguments)
        assert isinstance(error, InputError), (arguments, error)
        assert error.message == f"{_GIVEN[name][0]} does nothing with provisioner {verb}."


def test_help_shows_only_what_is_looked_at() -> None:
    shown = CliRunner().invoke(provisioner, ["audit", "--help"]).output
    assert "--only" in shown and "--remedy" not in shown and "--yes" not in shown


def _command(verb: str) -> click.Command:
    context = click.Context(provisioner)
    first, *rest = verb.split()
    found = provisioner.get_command(context, first)
    for name in rest:
        assert isinstance(found, click.Group)
        found = found.get_command(context, name)
    assert found is not None
    return found


def test_each_verb_has_examples_of_what_it_takes() -> None:
    assert {verb.partition(" ")[0] for verb in EXAMPLES} == set(VERBS)
    for verb, lines in EXAMPLES.items():
        command = _command(verb)
        flags = {flag for parameter in command.params for flag in parameter.opts}
        for line in lines:
            assert f"{verb} " in f"{line} ", line
            assert {word for word in line.split() if word.startswith("--")} <= flags, line
        words = verb.split()
        assert "Examples:\n  " in CliRunner().invoke(provisioner, [*words, "--help"]).output


def test_what_the_environment_says_is_not_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROVISIONER_FLEET", str(tmp_path / "none"))
    assert run("init", tmp_path / "new") is None


def test_a_lab_is_named_as_any_fleet_is_and_what_is_typed_counts(
    lab: Callable[..., Handle], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = lab("A81001").folder
    monkeypatch.setenv("PROVISIONER_FLEET", str(tmp_path / "none"))
    assert run("lab", "state", "--fleet", folder) is None
    assert run("--fleet", folder, "lab", "state") is None
    monkeypatch.setenv("PROVISIONER_FLEET", str(folder))
    assert run("lab", "events") is None


class Watched(Common):
    """Notes which options are looked at."""

    seen: set[str] = set()  # noqa: RUF012

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__"):
            Watched.seen.add(name)
        return super().__getattribute__(name)


def test_what_a_verb_takes_is_looked_at(
    lab: Callable[..., Handle], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each verb once, on a fleet in which it has something to do."""
    folder = lab("A81001").folder
    assert run("--fleet", folder, "audit") is None
    assert run("--fleet", folder, "plan", "--remedy", "firewall") is None
    monkeypatch.setattr(options, "Common", Watched)
    words = {
        "audit": (), "plan": (), "ping": (), "validate": (), "inventory": (), "history": ("--prune", "9"),
        "read": ("A81001",), "show": ("latest",), "report": (), "migrate status": (), "lease list": (),
        "apply": ("latest", "--yes"), "undo": ("latest", "--yes"),
    }  # fmt: skip
    for verb, more in words.items():
        takes = set(TAKES[verb].split())
        Watched.seen = set()
        ran = CliRunner().invoke(
            provisioner,
            ["--fleet", str(folder), *verb.split(), *more, "--format", "table"][: None if "format" in takes else -2],
            standalone_mode=False,
        )
        assert ran.exception is None or isinstance(ran.exception, (ProvisionerError, click.Abort)), ran.exception
        # What is old enough to go is asked of; here nothing is.
        missing = takes - Watched.seen - {"verbose", *(("yes",) if verb == "history" else ())}
        assert not missing, (verb, missing, ran.output)


@pytest.mark.parametrize(
    "arguments",
    [
        ("history", "--yes"), ("history", "--prune", "9", "--last", "20"), ("audit", "--all", "--format", "json"),
        ("apply", "p", "--dry-run", "--yes"), ("apply", "p", "--dry-run", "--ticket", "C1"),
        ("apply", "p", "--dry-run", "--unsure", "stop"), ("apply", "p", "--dry-run", "--wait", "8h"),
        ("read", "A81001", "--output", "x", "--format", "json"), ("lab", "set", "A81001", "offline", "--seed", "0"),
        ("migrate", "start", "--many", str(Path(__file__)), "--to", "B"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_does_nothing_beside_another_is_refused(arguments: tuple[str, ...]) -> None:
    error = run(*arguments)
    assert isinstance(error, InputError) and " does nothing with" in error.message, error
