"""Of what Ansible would change only what differs is shown, and rights in words."""

import json

from provisioner.report.differences import in_words, lines


def test_of_two_objects_only_the_fields_that_differ() -> None:
    before = {"name": "iPlatoConnector", "start_mode": "auto", "failure_actions": [], "gone": 1}
    after = {"name": "iPlatoConnector", "start_mode": "delayed", "failure_actions": [{"delay_ms": 60000}]}
    assert list(lines(json.dumps(before, indent=2), json.dumps(after, indent=2))) == [
        ("-", 'start_mode: "auto"'),
        ("+", 'start_mode: "delayed"'),
        ("-", "failure_actions: []"),
        ("+", 'failure_actions: [{"delay_ms": 60000}]'),
        ("-", "gone: 1"),
    ]


def test_of_text_only_the_lines_that_differ() -> None:
    assert list(lines("a\nb\nc\n", "a\nB\nc\nd\n")) == [("-", "b"), ("+", "B"), ("+", "d")]
    assert list(lines("", "a\n")) == [("+", "a")]
    assert list(lines("[1]", "[2]")) == [("-", "[1]"), ("+", "[2]")]


def test_rights_are_said_in_words() -> None:
    ours = r"C:\ProgramData\provisioner O:BAD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)"
    assert in_words(ours) == (
        r"C:\ProgramData\provisioner rights: Administrators: full control, SYSTEM: full control; nobody else"
    )
    assert in_words("O:BAG:SYD:(D;;FA;;;BU)") == "rights: Users: denied full control"
    # What is not known is not guessed.
    for other in ("O:BAD:(A;;0x1301bf;;;BU)", "O:BAD:(A;;FA;;;S-1-5-21-1-2-3-500)", "no descriptor: O:BA"):
        assert in_words(other) == other
