"""The plan of the house, held by the files themselves: imports go down only and in no circle, each outside library has
one room, and nothing but the command prints."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from provisioner.audit.shipped import open_policy
from provisioner.journal import Journal
from tests.fixtures.fleets import right, write
from tests.fixtures.records import planned

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "provisioner"

# From the ground up; those of one floor know nothing of each other.
FLOORS = (
    {"foreign", "files", "processes", "resources", "capacity"},
    {"errors"},
    {"yamlfile"},
    {"model"},
    {"fleet", "transport"},
    {"directory"},
    {"evidence", "remedies"},
    {"ansible", "report"},
    {"record"},
    {"journal"},
    {"audit"},
    {"plan", "find"},
    {"execute"},
    {"migration"},
    {"cli"},
)
# The pretend Windows knows nothing of what is tried on it; and who rehearses starts it.
LAB = {"errors"}
LAB_IS_KNOWN_BY = {"cli.verbs.lab", "cli.verbs.demo"}
ONLY_IMPORTERS = {
    "winrm": {"transport"},
    "httptools": {"transport.heard"},
    "greenlet": {"transport.waiting"},
    "spnego": {"transport", "lab"},
    "bonsai": {"directory.ldap"},
    "dns": {"directory.discovery"},
    "keyring": {"transport.credentials"},
    "ansible": {"ansible.work"},
    "ansible_runner": {"ansible.playbook"},
    "sqlalchemy": {"journal"},
    "aiohttp": {"lab"},
    "holidays": {"fleet.hours"},
    "fastjsonschema": {"evidence"},
    "cryptography": {"record.signing", "transport.session", "lab"},
    "jinja2": {"report.html", "record.verify", "fleet.templates"},
    "rich": {"cli", "report.folding", "report.screen"},
    "pydantic": {"lab"},
    "pydantic_core": {"audit.controls", "model.adapters", "model.shapes"},
    "click": {"cli"},
    "yaml": {"yamlfile", "evidence.shapes", "ansible", "cli.verbs.read"},
}
# Data, of which a reader looks for one entry at a time.
MAY_BE_LONG = {"policy/gateway.yml"}
LONGEST = 400


@cache
def files() -> dict[str, Path]:
    """The package's files by their names, `provisioner` left out."""
    paths = (path for path in sorted(PACKAGE.rglob("*.py")) if "_content" not in path.parts)
    named = {".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__"): path for path in paths}
    return {name.removesuffix("."): path for name, path in named.items()}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imported(path: Path) -> frozenset[str]:
    """All that a file imports, wherever in it: modules and the names in them."""
    found = set[str]()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def ours(path: Path) -> set[str]:
    """The package's files that a file imports."""
    names = [name.removeprefix("provisioner.") for name in imported(path) if name.startswith("provisioner.")]
    return {name if name in files() else name.rpartition(".")[0] for name in names}


def room(name: str) -> str:
    return name.partition(".")[0]


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(name) in rooms)


def test_there_is_no_circle_of_files() -> None:
    list(TopologicalSorter({name: ours(path) - {name} for name, path in files().items()}).static_order())


def test_each_room_is_on_a_floor() -> None:
    assert {room(name) for name in files()} - {"", "lab"} == set().union(*FLOORS)


def test_each_room_is_in_the_architecture() -> None:
    words = re.findall(r"`\S+`", (ROOT / "docs" / "architecture.md").read_text("utf-8"))
    rooms = sorted({*set().union(*FLOORS), "lab"})
    assert not [name for name in rooms if not {f"`{name}/`", f"`{name}.py`"} & set(words)]


@pytest.mark.parametrize("name", [name for name in files() if name])
def test_imports_go_down_only(name: str) -> None:
    for other in ours(files()[name]) - {""}:
        if room(other) == room(name):
            continue
        if room(name) == "lab":
            assert room(other) in LAB, f"{name} imports {other}"
        elif room(other) == "lab":
            assert name in LAB_IS_KNOWN_BY, f"{name} imports {other}"
        else:
            assert floor(other) < floor(name), f"{name} imports {other}, which does not lie below it"


@pytest.mark.parametrize(("library", "where"), ONLY_IMPORTERS.items(), ids=list(ONLY_IMPORTERS))
def test_each_outside_library_has_its_room(library: str, where: set[str]) -> None:
    importers = [name for name, path in files().items() if library in {one.partition(".")[0] for one in imported(path)}]
    assert importers
    strays = [name for name in importers if not any(name == one or name.startswith(f"{one}.") for one in where)]
    assert not strays


def test_nothing_is_imported_for_types_alone() -> None:
    assert not [name for name, path in files().items() if "typing.TYPE_CHECKING" in imported(path)]


def test_no_test_imports_a_test() -> None:
    """What several share is in a file of its own (tests/fixtures/, tests/worlds/, or beside them)."""
    imports = {path: imported(path) for path in sorted((ROOT / "tests").rglob("*.py"))}
    assert not [
        f"{path.relative_to(ROOT)}: {name}"
        for path, names in imports.items()
        for name in names
        if name.startswith("tests.") and ".test_" in name
    ]


def test_the_package_knows_none_of_the_tools_that_it_is_looked_at_with() -> None:
    """They are not installed with it."""
    assert not [name for name, path in files().items() if any(one.startswith("tools") for one in imported(path))]


def test_no_comprehension_takes_the_name_of_an_argument() -> None:
    """It would be right today, and wrong for whoever makes a loop of it."""
    taken = []
    for name, path in files().items():
        for function in (
            node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)
        ):
            arguments = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
            targets = [node.target for node in ast.walk(function) if isinstance(node, ast.comprehension)]
            names = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
            taken += [f"{name}: {function.name}: {each}" for each in names & arguments]
    assert not taken


def test_only_the_command_prints_and_exits() -> None:
    for name, path in files().items():
        if room(name) in ("cli", "lab"):
            continue
        called = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
        assert not called & {"print", "sys.exit", "exit", "input"}, name


def test_words_for_a_person_are_folded() -> None:
    """`out` prints a document as it is. A sentence or a command that it printed would break in the middle of a word."""
    for name, path in files().items():
        if room(name) != "cli" or name == "cli.console":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "out":
                (given,) = node.args
                assert isinstance(given, ast.Call) or ast.unparse(given) == "''", f"{name}: {ast.unparse(node)}"


def test_a_class_name_is_used_once() -> None:
    """Two classes of one name make a reader look at both. The lab is another world, with words of its own."""
    names = Counter(
        node.name
        for name, path in files().items()
        if room(name) != "lab"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
    )
    assert not {name for name, count in names.items() if count > 1}


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    kinds = ("*.py", "*.ps1", "*.psm1", "*.yml", "*.j2", "*.css", "*.js", "*.cs")
    places = ("provisioner", "tests", "tools", "roles", "plugins", "playbooks", "policy", "inventory")
    paths = [path for place in places for kind in kinds for path in (ROOT / place).rglob(kind)]
    lengths = {
        str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n")
        for path in paths
        if "_content" not in path.parts
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST and name not in MAY_BE_LONG}


def test_control_ids_stand_in_the_policy_and_in_the_model() -> None:
    """In code a control is named by a constant: what a misspelt one means, nobody says."""
    lines = (ROOT / "tests" / "fixtures" / "golden" / "controls.txt").read_text("utf-8").splitlines()
    ids = {line.partition("|")[0] for line in lines if line.startswith("R")}
    assert "R5-identity" in ids
    for name, path in files().items():
        if room(name) in ("model", "lab"):
            continue
        texts = {node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant) and node.value in ids}
        assert not texts, name


# Each verb in a process of its own, which is forked from one that has what they all need of other people.
_LOADED = """
import json, os, sys
import annotated_types, click, jinja2, pydantic_core, rich.console, sqlalchemy.dialects.sqlite, yaml
blocked, readers, verbs = json.loads(sys.argv[1])
if not readers:
    import aiohttp.web, cryptography.x509, requests, spnego, winrm
assert not {*blocked, *readers} & set(sys.modules)
for verb in verbs:
    sys.stdout.flush()
    if not os.fork():
        sys.modules |= dict.fromkeys(blocked)
        try:
            __import__(f"provisioner.cli.{verb}")
            print(json.dumps([verb, "", [one for one in readers if one in sys.modules]]))
        except ImportError as error:
            print(json.dumps([verb, str(error), []]))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def loaded(verbs: Sequence[str], *, blocked: Sequence[str] = (), readers: Sequence[str] = ()) -> dict[str, list[Any]]:
    """By verb: why it cannot be loaded without what is blocked, or "", and which of the readers it loads."""
    asked = json.dumps([blocked, readers, verbs])
    ran = subprocess.run([sys.executable, "-c", _LOADED, asked], check=True, stdout=subprocess.PIPE, text=True)
    found = {verb: rest for verb, *rest in map(json.loads, ran.stdout.splitlines())}
    assert found.keys() == set(verbs)
    return found


def test_no_verb_needs_ansible_to_be_there() -> None:
    """A Windows laptop has none, and audits. Only what acts on gateways starts it, once it acts."""
    verbs = [f"verbs.{path.stem}" for path in (PACKAGE / "cli" / "verbs").glob("[a-z]*.py")]
    found = loaded([*verbs, "rehearsing", "runs"], blocked=("ansible", "ansible_runner"))
    assert {verb: error for verb, (error, _) in found.items() if error} == {}


@pytest.mark.parametrize("verb", [path.stem for path in sorted((PACKAGE / "cli" / "verbs").glob("[a-z]*.py"))])
def test_help_loads_nothing_that_builds_shapes(verb: str) -> None:
    """Saying what a verb does takes no part of what reads and judges."""
    assert not _loaded_by(["pydantic", "pydantic_core"], verb, "--help")


@pytest.mark.parametrize("arguments", [("validate",), ("show", "latest")])
def test_what_is_read_is_read_without_pydantic_itself(arguments: tuple[str, ...], planned_fleet: Path) -> None:
    """Of it the core is enough, and takes a quarter of the time to be loaded."""
    loaded = _loaded_by(["pydantic", "pydantic_core"], "--fleet", str(planned_fleet), *arguments)
    assert loaded == ["pydantic_core"]


def test_a_plan_is_shown_without_what_judges_and_plans(planned_fleet: Path) -> None:
    """All that is told of it, the journal has."""
    modules = ("provisioner.audit.evaluate", "provisioner.audit.facts", "provisioner.plan", "provisioner.remedies")
    assert not _loaded_by((*modules, "provisioner.report.view"), "--fleet", str(planned_fleet), "show", "latest")


# What reads gateways and acts on them: to load it takes as long as all before.
_ACTS = ("winrm", "spnego", "requests", "cryptography", "pydantic", "provisioner.ansible", "provisioner.execute.run")


def test_what_acts_is_loaded_after_the_question(planned_fleet: Path) -> None:
    """Nobody who is refused, or asked, waits for it."""
    assert not _loaded_by(_ACTS, "--fleet", str(planned_fleet), "apply", "latest", refused="Nobody can be asked here")


@pytest.mark.parametrize("verb", ["apply", "undo"])
def test_nobody_waits_for_what_acts_to_be_told_what_a_verb_does(verb: str) -> None:
    assert not _loaded_by(_ACTS, verb, "--help")


@pytest.fixture
def planned_fleet(tmp_path: Path) -> Path:
    """A right fleet folder, of whose journal a plan is the newest."""
    made = replace(planned(), policy_digest=open_policy().digest, places={"GW-A81002": ("A81002", "10.1.2.3")})
    with Journal.of(right(write(tmp_path, {}))) as journal:
        journal.save(made, "planned")
    return tmp_path


@pytest.mark.parametrize(
    "verb", ["completion", "find", "init", "inventory", "lab", "ping", "practices", "read", "validate"]
)
def test_a_verb_without_a_journal_loads_no_database(verb: str) -> None:
    """SQLAlchemy is half of what the start of a verb with a journal takes."""
    assert not _loaded_by(["sqlalchemy"], verb, "--help")


@pytest.mark.parametrize("arguments", [("history",), ("lease", "list")])
def test_what_asks_the_journal_alone_needs_no_fleet(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Somebody who mends practices.csv may ask who is at work; and there is no shape to be built, nor anything loaded
    of what reads a folder or draws an audit."""
    write(tmp_path, {"practices.csv": "no such columns\n"})
    modules = ("pydantic_core", "provisioner.fleet", "provisioner.report.view")
    assert not _loaded_by(modules, "--fleet", str(tmp_path), *arguments)


@pytest.mark.parametrize("verb", ["history", "no_such_verb"])
def test_what_a_verb_makes_is_looked_through_as_ever(verb: str) -> None:
    """What it has loaded is not; whatever becomes of that, memory of what comes later is given back."""
    code = (
        "import contextlib, gc, importlib\nfrom provisioner.cli import loading\n"
        "with contextlib.suppress(ImportError), loading():\n"
        f"    importlib.import_module('provisioner.cli.verbs.{verb}')\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 0)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["True", "True"]


def _loaded_by(modules: Collection[str], *arguments: str, refused: str = "") -> list[str]:
    """Which of these a command has loaded when it ends: well, or `refused` in those words."""
    code = (
        "import sys\nfrom provisioner.cli import main\n"
        f"try:\n    main({arguments!r})\nfinally:\n"
        f"    print(*(one for one in {[*modules]!r} if one in sys.modules), file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert ran.returncode == (2 if refused else 0) and refused in ran.stderr, ran.stderr
    return ran.stderr.splitlines()[-1].split()


# Those that only tell of what is in the journal or in the fleet's folder.
_TELL = tuple(
    f"verbs.{verb}"
    for verb in (
        "compare", "forecast", "history", "journal", "lease", "plan", "report", "requests", "show", "validate", "why",
    )
)  # fmt: skip


def test_a_verb_that_only_tells_loads_nothing_of_what_reads_gateways() -> None:
    """That is 40 MB and a quarter of a second of each such command."""
    readers = (
        "provisioner.audit.auditor",
        "provisioner.evidence.reader",
        "spnego",
        "winrm",
        "requests",
        "cryptography",
    )
    found = loaded(_TELL, readers=readers)
    assert found == {verb: ["", []] for verb in _TELL}
