"""A file of moves: which practices change to which PC."""

from pathlib import Path

from provisioner.errors import Fault, InputError
from provisioner.fleet import codes, csvfile


def moves(path: Path) -> list[tuple[str, str]]:
    """Practices and their new gateways, from a file of rows. Errors: InputError with every fault."""
    table = csvfile.read(path, ("practice", "to"), None, missing="Name the file of moves that you made.")
    found: dict[str, str] = {}
    for row in table.rows:
        practice, to = codes.normal(row.cells["practice"]), row.cells["to"]
        if not practice or not to:
            table.faults.append(Fault(path.name, row.line, "it needs a practice and a gateway.", "practice,to"))
        elif practice in found:
            table.faults.append(Fault(path.name, row.line, f"{practice} is here twice.", "Keep one."))
        else:
            found[practice] = to
    if table.faults or not found:
        raise InputError(f"{path} names no moves.", "A header practice,to and a row for each.", table.faults)
    return list(found.items())
