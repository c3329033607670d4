"""`provisioner read GATEWAY`: one gateway's evidence, section by section."""

import json
from pathlib import Path
from typing import Any

import click

from provisioner import files
from provisioner.cli.completion import gateways
from provisioner.cli.console import as_json, ask_password, folded, out, say
from provisioner.cli.fleets import asked_for, one_gateway, whole_fleet
from provisioner.cli.options import common, refuse_idle
from provisioner.errors import InputError
from provisioner.evidence import redact
from provisioner.evidence.question import SECTIONS, question
from provisioner.evidence.reader import Reader, files_of
from provisioner.model import Evidence, Fleet, Gateway


@click.command("read")
@click.argument("gateway", shell_complete=gateways)
@click.option("--section", "sections", multiple=True, type=click.Choice(SECTIONS), help="Only this section.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to this file instead, without names and addresses: for the makers of provisioner.",
)
def command(gateway: str, sections: tuple[str, ...], output: Path | None) -> int:
    """Print what one gateway answers: each section with its time and its errors.

    Changes nothing on it. Exit 3 when it cannot be read.
    """
    refuse_idle("--format", "with --output", output and common().typed & {"format"})
    fleet = asked_for(whole_fleet(warnings=False))
    row = one_gateway(fleet, gateway)
    wanted = sections or SECTIONS
    evidence = next(iter(Reader(fleet, ask_password).read([row], lambda _: wanted)))
    if output and evidence.error is None:
        _write(output, fleet, row, evidence)
    elif as_json():
        out(json.dumps(_document(evidence), indent=2))
    elif evidence.error is None:
        _print(evidence)
    if evidence.error:
        say(f"{row.practice} {row.name}: {evidence.error.message}\n  {evidence.error.hint}")
        return 3
    return 0


def _write(path: Path, fleet: Fleet, row: Gateway, evidence: Evidence) -> None:
    asked = question(fleet.settings, [*evidence.sections, *evidence.section_errors], files_of(fleet))
    words = [row.practice, row.practice_name, row.name, row.address, *map(str, row.variables.values())]
    found = redact.redacted(evidence, asked, words)
    try:
        files.write(path, (json.dumps(found, indent=1) + "\n").encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.", "Give another --output.") from error
    say(f"{path}: names and addresses are numbers in it. Look through it before you send it on.")


def _document(evidence: Evidence) -> dict[str, Any]:
    return {
        "version": 1,
        "gateway": evidence.gateway,
        "taken_at": evidence.taken_at.isoformat(),
        "seconds": round(evidence.seconds, 3),
        "error": None if evidence.error is None else evidence.error.message,
        "sections": {name: dict(data) for name, data in evidence.sections.items()},
        "section_errors": dict(evidence.section_errors),
        "section_seconds": dict(evidence.section_seconds),
    }


def _print(evidence: Evidence) -> None:
    import yaml

    there = sum(evidence.section_seconds.values())
    folded(f"{evidence.gateway}, read in {evidence.seconds:.1f} s, of which its sections took {there:.1f} s")
    for name in (*evidence.sections, *evidence.section_errors):
        seconds = evidence.section_seconds.get(name)
        out("")
        folded(name + (f"  ({seconds:.3f} s)" if seconds is not None else ""))
        if name in evidence.section_errors:
            folded(f"  error: {evidence.section_errors[name]}")
            continue
        text = yaml.safe_dump(dict(evidence.sections[name]), sort_keys=False, allow_unicode=True, width=110)
        out("\n".join(f"  {line}" for line in text.splitlines()))
