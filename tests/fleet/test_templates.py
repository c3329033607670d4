"""What a file is made from: what counts of its template, the row and its secrets, and what does not."""

from pathlib import Path

import pytest

from provisioner.fleet import templates
from provisioner.model import Fleet
from tests.fixtures.fleets import FLEET, HEADER, check, right, write

FILES = "connector:\n  files: [{path: conf/c.ini, template: c.j2, secrets: {key: %s}}]\n"


def fleet(folder: Path, template: str, site: str = "Main", telephone: str = "01", secret: str = "vendor-key") -> Fleet:
    rows = f"{HEADER},site,telephone,practice_names\nA81001,Mill,GW1,10.0.0.1,,{site},{telephone},\n"
    return right(write(folder, {"fleet.yml": FLEET + FILES % secret, "practices.csv": rows, "c.j2": template}))


def digest(made_of: Fleet) -> str:
    (file,), (gateway,) = made_of.settings.connector.files, made_of.gateways
    return templates.made_from(made_of.templates, file, gateway)


def test_what_a_template_uses_counts_and_nothing_else_of_the_row(tmp_path: Path) -> None:
    template = "{{ practice }} {{ site }} {{ key }}"
    found = digest(fleet(tmp_path / "a", template))
    assert len(found) == 64
    assert digest(fleet(tmp_path / "same", template)) == found
    assert digest(fleet(tmp_path / "telephone", template, telephone="02")) == found
    others = [
        digest(fleet(tmp_path / "site", template, site="Branch")),
        digest(fleet(tmp_path / "template", f"{template}\n")),
        digest(fleet(tmp_path / "secret", template, secret="another-key")),
    ]
    assert len({found, *others}) == 4


@pytest.mark.parametrize(
    "template", ["{{ vars['tele' ~ 'phone'] }}", "{{ lookup('vars', 'telephone') }}", "{% include 'more.j2' %}"]
)
def test_a_template_that_gets_at_any_name_uses_all_of_them(tmp_path: Path, template: str) -> None:
    assert digest(fleet(tmp_path / "a", template)) != digest(fleet(tmp_path / "b", template, telephone="02"))


def test_a_file_that_is_included_is_warned_of(tmp_path: Path) -> None:
    files = {"fleet.yml": FLEET + FILES % "k", "c.j2": "{% include 'more.j2' %}"}
    found, (fault,) = check(write(tmp_path, files))
    assert found is not None
    assert (fault.file, fault.warning) == ("c.j2", True)
    assert "no audit sees" in fault.message
