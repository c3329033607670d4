"""`provisioner practices`: open GP practices of the national list, as rows for practices.csv."""

from pathlib import Path

import click

from provisioner.cli.console import as_json, document, out, say
from provisioner.fleet import ods
from provisioner.report.words import counted

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("practices")
@click.argument("epraccur", metavar="EPRACCUR.csv", type=_FILE)
@click.option("--commissioner", default="", metavar="CODE", help="A sub-ICB location, such as 00L.")
@click.option("--icb", default="", metavar="CODE", help="An ICB, such as QHM.")
@click.option("--system", type=_FILE, metavar="FILE", help="A CSV with each practice's clinical system.")
@click.option("--supplier", default="", metavar="NAME", help="The supplier in that file, such as TPP.")
def command(epraccur: Path, commissioner: str, icb: str, system: Path | None, supplier: str) -> int:
    """Print open GP practices as rows for practices.csv: role active, the gateway not known yet."""
    if (system is None) != (not supplier):
        raise click.UsageError("--system FILE and --supplier NAME go together.")
    listed = ods.read(epraccur)
    by_code = {practice.code for practice in listed}
    systems = ods.suppliers(system, by_code, supplier) if system is not None else None
    found = ods.select(listed, commissioner=commissioner, icb=icb, systems=systems, supplier=supplier)
    if as_json():
        import json

        rows = [
            {
                "practice": practice.code,
                "name": practice.name,
                "commissioner": practice.commissioner,
                "icb": practice.icb,
            }
            for practice in found
        ]
        out(json.dumps({"version": 1, "practices": rows}, indent=2))
    else:
        document(ods.rows(found).rstrip("\n"))
    say(f"{counted(len(found), 'practice')}." + (f" {systems.columns}" if systems is not None else ""))
    return 0
