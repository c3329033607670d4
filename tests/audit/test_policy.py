"""The policy that ships, and every way in which one can be wrong."""

from datetime import date
from pathlib import Path

import pytest

from provisioner import resources
from provisioner.audit import facts, policy
from provisioner.errors import Fault, InputError
from provisioner.model import Impact
from tests.fixtures.policies import GOOD, NAMES, written

SHIPPED = resources.root() / "policy"


def faults(folder: Path, text: str, **kw: tuple[str, ...]) -> list[Fault]:
    with pytest.raises(InputError) as raised:
        policy.load(written(folder, text, **kw), NAMES)
    assert all(fault.file == "gateway.yml" for fault in raised.value.faults)
    return list(raised.value.faults)


def test_what_ships_is_right() -> None:
    shipped = policy.load(SHIPPED, facts.NAMES)
    asked = {control.requirement for control in shipped.controls}
    assert asked == {f"R{number}" for number in range(1, 18)} | {"ours"}
    assert len({control.id for control in shipped.controls}) == len(shipped.controls)
    for control in shipped.controls:
        assert bool(control.remedy) != bool(control.owner)
        assert bool(control.ask) == bool(control.owner), "what an owner is asked to do; a remedy needs no asking"
        assert bool(control.undo) == bool(control.owner), "and how that is undone; a remedy has its own way back"


def test_nothing_is_wanted_of_a_candidate_that_a_remedy_would_bring() -> None:
    for control in policy.load(SHIPPED, facts.NAMES).controls:
        if control.remedy:
            assert "candidate" not in control.applies_when["role"], control.id
            # What a retired gateway is asked is never what the others are.
            assert "retired" not in control.applies_when["role"] or control.applies_when["role"] == ("retired",)


def test_a_policy_is_read(tmp_path: Path) -> None:
    loaded = policy.load(written(tmp_path, GOOD), NAMES)
    size, colour = loaded.controls
    assert (size.id, size.operator, size.operand, size.remedy, size.owner) == ("size", "at_least", 3, "java", "")
    assert size.applies_when == {"role": ("active", "standby"), "pc.colour": ("red",)}
    assert size.impact is Impact.REQUIRED
    assert (colour.operator, colour.operand, colour.shows) == ("one_of", ("red", "blue"), "pc.words")


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    first = policy.load(written(tmp_path / "one", GOOD), NAMES).digest
    assert policy.load(written(tmp_path / "two", GOOD), NAMES).digest == first
    assert policy.load(written(tmp_path / "three", GOOD.replace("3", "4")), NAMES).digest != first


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("  wants: at least 3\n", "", 1, "size: wants is missing."),
        ("  failed: It is small.", "  failed: ' '", 1, "size: failed is missing."),
        ("  ask: Paint it.", "  ask:", 11, "colour: ask is empty."),
        ("title: Large", "title: 3", 1, "size: title is 3, and must be a text. Put it in quotes."),
        ("remedy: java", "remedy: {java: yes}", 1, "size: remedy is {'java': True}, and must be a text."),
        ("fact: pc.size", "fact: pc.sise", 1, "size: fact names pc.sise, which is no fact. Did you mean pc.size?"),
        (
            "shows: pc.words",
            "shows: pc.word",
            11,
            "colour: shows names pc.word, which is no fact. Did you mean pc.words?",
        ),
        ("pc.colour: [red]", "pc.color: [red]", 1, "size: applies_when names pc.color, which is no fact."),
        ("[active, standby]", "[activ]", 1, "size: there is no role activ. Did you mean active?"),
        ("{role: [active, standby], pc.colour: [red]}", "{}", 1, "size: applies_when is empty"),
        ("{role: [active, standby], pc.colour: [red]}", "active", 1, "size: applies_when is empty"),
        ("[active, standby]", "[active, 3]", 1, "size: applies_when: role must be a list of texts"),
        ("pc.colour: [red]", "pc.colour: [yes]", 1, "must be a list of texts (quote yes and no)"),
        ("pc.colour: [red]", "pc.colour: []", 1, "must be a list of texts"),
        ("at_least: 3", "at_leest: 3", 1, "size: there is no key 'at_leest'. Did you mean at_least?"),
        ("  at_least: 3\n", "", 1, "size: exactly one of is, at_least, at_most, one_of says"),
        ("at_least: 3", "at_least: 3\n  is: 3", 1, "size: exactly one of is, at_least, at_most, one_of says"),
        ("at_least: 3", "at_least:", 1, "size: at_least compares with nothing: None."),
        ("at_least: 3", "at_least: true", 1, "size: at_least compares with nothing: True."),
        ("at_least: 3", 'is: ""', 1, "size: is compares with nothing: ''."),
        ("at_least: 3", "at_most: many", 1, "size: at_most compares with nothing: 'many'."),
        (
            "one_of: [red, blue]",
            "one_of: [red, [blue]]",
            11,
            "colour: one_of compares with nothing: ['red', ['blue']].",
        ),
        ("one_of: [red, blue]", "one_of: []", 11, "colour: one_of compares with nothing: []."),
        ("  remedy: java\n", "", 1, "size: exactly one of remedy and owner says who mends it."),
        ("remedy: java", "remedy: java\n  owner: practice", 1, "size: exactly one of remedy and owner says"),
        ("remedy: java", "remedy: jave", 1, "size: there is no remedy 'jave'. Did you mean java?"),
        ("owner: practice", "owner: practise", 11, "colour: there is no owner 'practise'. Did you mean practice?"),
        ("impact: advice", "impact: maybe", 11, "colour: impact is 'maybe', and must be required or advice."),
        ("requirement: R7", "requirement: R18", 1, "size: requirement R18 is neither R1 to R17 nor 'ours'."),
        ("id: colour", "id: size", 11, "there is a control size already, in line 1."),
        ("title: Large", "title: Large\n  title: Small", 4, "title is here twice; first in line 3."),
        ("role: [active, standby]", "role: [active], role: [standby]", 5, "role is here twice; first in line 5."),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    (found, *more) = [fault for fault in faults(tmp_path, GOOD.replace(old, new)) if message in str(fault)]
    assert not more and found.line == line


def test_all_faults_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = GOOD.replace("impact: advice", "impact: maybe").replace("at_least: 3", "at_least:").replace("R7", "R0")
    found = faults(tmp_path, text, pages=("size",))
    assert [fault.line for fault in found] == [1, 1, 11, 11]
    assert "colour: it has no page." in [fault.message for fault in found]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "no list of controls"),
        ("a: b\n", 1, "no list of controls"),
        ("- just words\n", 1, "a control is a mapping"),
        ("- {id: x\n", 2, "not YAML"),
        ("- !!python/object:os.system {}\n", 1, "there is no use for the tag"),
        ("- id: x\n  a: \t- b\n", 2, "not YAML"),
    ],
)
def test_what_is_no_policy_at_all(tmp_path: Path, text: str, line: int, message: str) -> None:
    (found,) = faults(tmp_path, text)
    assert found.line == line and message in found.message


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gateway\.yml cannot be read"):
        policy.load(tmp_path, NAMES)


@pytest.mark.parametrize("text", ["", "clients: 3", "as_of: [", "{as_of: x, clients: [{}], servers: []}"])
def test_broken_lifecycle_data(tmp_path: Path, text: str) -> None:
    folder = written(tmp_path, GOOD)
    (folder / "windows-lifecycle.yml").write_text(text)
    with pytest.raises(InputError, match="not the lifecycle data"):
        policy.load(folder, NAMES)


def test_the_lifecycle_data() -> None:
    table = policy.load(SHIPPED, facts.NAMES).lifecycle
    assert table.as_of == date(2026, 8, 22)
    assert table.editions["professional"] == "W" and table.editions["enterprises"] == "E_LTSC"
    groups = {*table.editions.values(), "any"}
    for row in (*table.clients, *table.servers):
        assert row.editions and set(row.editions) <= groups
        assert row.esu_end is None or row.esu_end > row.servicing_end
    assert len({(row.build, edition) for row in table.clients for edition in row.editions}) == sum(
        len(row.editions) for row in table.clients
    ), "a build and an edition group name one client Windows"
