"""What a verb is commonly given, for its help."""

from collections.abc import Mapping

import click

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "demo": ("demo", "demo --dir /tmp/demo --seed 7"),
    "init": ("init my-fleet",),
    "validate": ("validate", "validate my-fleet"),
    "practices": (
        "practices epraccur.csv --icb QHM --system systems.csv --supplier TPP > my-fleet/practices.csv",
        "practices epraccur.csv --compare my-fleet/practices.csv --system systems.csv --supplier TPP",
    ),
    "find": ("find --directory --only A84002", "find --addresses 10.1.2.0/24 --output found.csv"),
    "ping": ("ping", "ping --only A84002"),
    "read": ("read A84002 --section firewall", "read A84002 --output reading.json"),
    "audit": ("audit", "audit --only A84002 --all", "audit | cut -f 2,5,6"),
    "plan": ("plan", "plan --only A84002 --remedy firewall"),
    "apply": ("apply latest --dry-run", "apply latest --ticket C1234 --wait 22:00", "apply latest --only A84002"),
    "approve": (
        "approve latest --until 23:00 --ticket CHG-1182",
        "approve ab12 --key me.pem --with-way-back",
        "approve ab12 --for cperson --output approval.json",
        "approve ab12 --signed approval.json",
    ),
    "undo": ("undo latest --only A84002",),
    "migrate start": ("migrate start A84002 --to NEWPC", "migrate start --many moves.csv"),
    "migrate confirm": ('migrate confirm A84002 online-record --by "A. Person"',),
    "migrate status": ("migrate status", "migrate status A84002"),
    "migrate finish": ("migrate finish A84002",),
    "migrate undo": ("migrate undo A84002",),
    "show": ("show latest", "show ab12 --all"),
    "compare": ("compare", "compare ab12 latest", "compare | cut -f 1,3,5"),
    "why": ("why A84002 R14-rule", "why A84002 cert"),
    "forecast": ("forecast", "forecast --days 365 --only icb=QHM", "forecast | cut -f 1,3,5"),
    "history": ("history --last 50", "history --prune 365"),
    "report": (
        "report --as html --output audit.html",
        "report latest --as csv --output audit.csv",
        "report --per-practice --output pages",
    ),
    "requests": (
        "requests --output requests",
        "requests ab12 --output before-the-run",
        "requests --only 'A84*' --output north",
    ),
    "record": ("record latest --output record", "record --verify record"),
    "lease list": ("lease list",),
    "lease break": ('lease break A84002 --because "the laptop was lost"',),
    "journal adopt": ("journal adopt",),
    "inventory": ("inventory --list",),
    "lab up": ("lab up --practices practices.csv --dir /tmp/fleet --state mixed",),
    "lab set": ("lab set A84002 offline", "lab set 'A84*' none"),
    "completion": ('eval "$(provisioner completion bash)"',),
}


def first(path: str) -> str:
    """How the verb of that path (`provisioner lease break`) is given, for who left something out; "" where no example
    is kept."""
    of_verb = EXAMPLES.get(path.partition(" ")[2], ())
    return _whole(of_verb[0]) if of_verb else ""


def _whole(line: str) -> str:
    return line if "provisioner" in line else f"provisioner {line}"


def shown(command: click.Command, verb: str) -> click.Command:
    """The verb, and those of a group, with examples at the end of their help."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            shown(each, f"{verb} {name}")
    elif verb in EXAMPLES and not command.epilog:
        lines = map(_whole, EXAMPLES[verb])
        # \b keeps click from filling the lines up.
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
    return command
