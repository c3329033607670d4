"""An audit in a terminal fits it, says whose job each gap is and what to do next, and obeys nothing that a gateway
says; in a pipe it is a line a gateway, whose columns stay as they are."""

import shlex
from dataclasses import replace
from weakref import WeakValueDictionary

import pytest
from rich.cells import cell_len

from provisioner.model import Audit, Cause, Gateway, Role
from provisioner.report import folding, screen, tsv
from provisioner.report.view import Machine, Machines, View, view
from tests.fixtures.hostile import hostile
from tests.fixtures.reports import PRACTICES, estate

NEXT = "provisioner plan a-20261123-201500"


def shown(found: tuple[Audit, dict[str, bool], tuple[Cause, ...]] | None = None) -> View:
    return view(*(found or estate()))


def lines(of: View, width: int = 80, *, whole: bool = False) -> list[str]:
    return screen.audit(of, width, NEXT, whole=whole)


def line(text: list[str], word: str) -> str:
    return next(line for line in text if word in line)


def many(number: int) -> View:
    return shown(estate({f"B{81000 + place}": f"Practice {place}" for place in range(number)}))


def test_a_line_for_each_gateway_that_is_not_ready_and_none_for_the_others() -> None:
    of = shown()
    text = lines(of)
    assert " ".join(text).startswith("5 of 24 gateways are ready. 17 not ready; 2 could not be read; 1 candidate, only")
    for machine in of.machines:
        named = [one for one in text if one.startswith(f"  {machine.gateway.name} ")]
        assert len(named) == (machine.state in ("unready", "unread")), machine.gateway.name
    assert text[-1] == f"Next: {NEXT}"


def test_what_is_missing_is_said_by_whose_job_it_is_and_the_plan_last() -> None:
    row = line(lines(shown(), 120), "GW-A84008")
    assert "practice: R2-logged-in; ICB IT: R8-client, R15-administrator; plan: 6 remedies" in row
    assert "plan: antivirus, java, firewall" in "\n".join(lines(shown(), 120, whole=True))
    assert "R6-cpu?" in line(lines(shown()), "GW-A84013")
    assert "No connection to 198.51.100.17:5986" in line(lines(shown()), "GW-A84016")


def test_what_finds_no_room_is_counted() -> None:
    machine = next(one for one in shown().machines if one.gateway.practice == "A84008")
    assert screen.missing(machine, 90).endswith("R15-administrator; plan: 6 remedies")
    assert screen.missing(machine, 40) == "practice: R2-logged-in; ICB IT: 2 controls; plan: 6 remedies"


@pytest.mark.parametrize(("gateways", "most"), [(1, 45), (26, 45), (210, 60), (2225, 60)])
def test_an_audit_fits_its_screen(gateways: int, most: int) -> None:
    for width in (80, 120):
        text = lines(many(gateways), width)
        assert len(text) <= most
        assert max(map(cell_len, text)) <= width


@pytest.mark.parametrize("whole", [False, True])
def test_the_rows_of_one_gateway_at_a_time_are_held(whole: bool) -> None:
    """Those of thousands are as much memory as all else of an audit."""
    of, held = many(200), WeakValueDictionary[int, Machine]()
    most = 0

    def made(gateway: Gateway) -> Machine:
        nonlocal most
        machine = of.machines[of.machines.gateways.index(gateway)]
        held[id(machine)] = machine
        most = max(most, len(held))
        return machine

    assert lines(replace(of, machines=Machines(of.machines.gateways, made)), whole=whole)
    assert 0 < most <= 2


def test_what_is_left_out_is_counted_and_all_of_it_is_there_when_asked_for() -> None:
    of = many(210)
    short, whole = lines(of), lines(of, whole=True)
    left = int(short[-3].split()[1])
    listed = sum(one.startswith("  GW-") for one in short)
    assert listed + left == sum(machine.state in ("unready", "unread") for machine in of.machines)
    assert sum(one.startswith("  GW-") or one.startswith("  B81") for one in whole) == len(of.machines)
    assert max(map(cell_len, whole)) <= 80


@pytest.mark.parametrize("width", [24, 30, 40])
def test_a_narrow_terminal(width: int) -> None:
    for whole in (False, True):
        words = [*NEXT.split(), "a-20261123-201500,"]
        long = [one for one in lines(shown(), width, whole=whole) if cell_len(one) > width]
        # A word that is longer than the line is not broken: it may be there to be copied.
        assert all(one.split()[-1] in words or len(one.split()) == 1 for one in long), long


def test_hostile_text_is_not_obeyed() -> None:
    for text in (lines(shown(hostile()), 400, whole=True), list(tsv.audit(shown(hostile())))):
        whole = "\n".join(text)
        assert "\x1b" not in whole and "\u202e" not in whole and "\x00" not in whole and "\r" not in whole
        assert '<script>alert("x")</script>' in whole


def test_a_retired_gateway_is_not_called_ready() -> None:
    audit, ready, causes = estate()
    rows = (replace(one, role=Role.RETIRED) if one.practice == "A84007" else one for one in audit.gateways)
    text = lines(shown((replace(audit, gateways=tuple(rows)), ready, causes)))
    assert text[0].startswith("4 of 23 gateways are ready.") and "1 retired" in " ".join(text[:3])
    assert not any("GW-A84007" in one for one in text)


def test_all_that_are_not_known_are_counted() -> None:
    audit, ready, causes = estate()
    rows = tuple(replace(one, address="") for one in audit.gateways)
    text = lines(shown((replace(audit, gateways=rows, evidence=(), findings=()), ready, ())))
    assert " ".join(text).startswith("No gateway was judged. 26 not known yet: their rows have no PC.")
    del causes


def test_in_a_pipe_a_line_a_gateway() -> None:
    header, *rows = (one.split("\t") for one in tsv.audit(shown()))
    assert header == [
        "practice", "gateway", "name", "role", "state", "plan", "others", "cannot_tell", "advice", "error", "audit",
        "part",
    ]  # fmt: skip
    assert len(rows) == len(PRACTICES) and {len(row) for row in rows} == {len(header)}
    by_practice = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert by_practice["A84007"]["state"] == "ready"
    assert by_practice["A84008"]["plan"] == "antivirus,java,firewall,connector,service,start"
    assert by_practice["A84008"]["others"] == "practice: R2-logged-in; ICB IT: R8-client, R15-administrator"
    assert by_practice["A84016"]["error"].startswith("No connection to")
    assert (by_practice["A84619"]["state"], by_practice["A84619"]["gateway"]) == ("notknown", "")


def test_a_command_that_takes_more_lines_than_one_can_be_copied() -> None:
    given = "provisioner --fleet 'a folder with blanks' migrate confirm A84002 online-record --by NAME"
    for line in (f"Next: {given}", f"    {given}", f"Next, by a second person: {given}"):
        for width in (30, 50, 80):
            folds = folding.said(line, width) if line.startswith("Next") else folding.folded(line, width)
            assert all(len(one) <= max(width, 32) for one in folds)
            copied = "\n".join(folds).partition("provisioner")
            assert shlex.split((copied[1] + copied[2]).replace("\\\n", "")) == shlex.split(given)
    # A sentence that names one is none.
    assert "\\" not in "".join(folding.folded(f"{given} goes on; then the same again.", 30))
