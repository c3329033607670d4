"""Each control has its page, and each page its control, in one form."""

import re
from pathlib import Path

import pytest

from provisioner import resources
from provisioner.audit import facts, policy
from provisioner.model import Control, Role

FOLDER = resources.root() / "policy"
CONTROLS = policy.load(FOLDER, facts.NAMES).controls
HEADINGS = ["Why", "Look by hand", "Answers", "Whose job", "State or waive"]
# Who a page says mends it.
NAMES = {
    "practice": "practice",
    "icb-it": "ICB IT",
    "desktop": "desktop team",
    "network": "network team",
    "antivirus": "antivirus team",
}


def page(control: Control) -> str:
    return (FOLDER / "controls" / f"{control.id}.md").read_text("utf-8")


def section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_no_page_without_its_control() -> None:
    pages = {path.stem for path in Path(FOLDER / "controls").iterdir()}
    assert pages == {control.id for control in CONTROLS}


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_a_page_has_its_form(control: Control) -> None:
    text = page(control)
    assert text.startswith(f"# {control.id}: {control.title}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert all(section(text, heading).strip() for heading in HEADINGS)
    assert max(map(len, text.splitlines())) <= 140
    assert text.endswith("\n") and not text.endswith("\n\n")


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_a_page_says_whose_job_it_is(control: Control) -> None:
    job = section(page(control), "Whose job")
    assert (f"`{control.remedy}`" if control.remedy else NAMES[control.owner]) in job


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_a_page_says_every_answer_that_there_is(control: Control) -> None:
    answers = re.findall(r"^- \*\*(\w+)\*\*: \S", section(page(control), "Answers"), re.MULTILINE)
    assert answers[:3] == ["passed", "failed", "unknown"]
    everywhere = set(control.applies_when.get("role", tuple(Role))) == set(Role)
    only_roles = set(control.applies_when) <= {"role"}
    assert ("not_applicable" in answers) is not (everywhere and only_roles)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_a_page_names_the_roles_that_are_left_out(control: Control) -> None:
    said = re.search(r"\*\*not_applicable\*\*: (.*?)(?=\n- |\Z)", section(page(control), "Answers"), re.DOTALL)
    roles = set(control.applies_when.get("role", tuple(Role)))
    if roles == {Role.ACTIVE} or roles == {Role.RETIRED}:
        assert said and ("is not active" in said[1] or "standby" in said[1] or "is not retired" in said[1])
        return
    for role in set(Role) - roles:
        assert said and role in said[1], role
