"""Candidates as rows for practices.csv: new ones, with the role candidate, in a file of their own."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from provisioner.errors import InputError
from provisioner.find.candidate import Candidate, Likelihood
from provisioner.fleet import csvfile
from provisioner.fleet.practices import COLUMNS, FILE
from provisioner.model import Role


def check(path: Path, folder: Path) -> None:
    """See that a file may be written. Errors: InputError where it is there, or is practices.csv itself."""
    if path.resolve() == (folder / FILE).resolve():
        raise InputError(f"{FILE} is not written to.", "Give another file; then take over the rows that are right.")
    if path.exists() or path.is_symlink():
        raise InputError(f"{path} is there already.", "Give a new file: what is there is never overwritten.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}.", "Make it first.")


def worth(candidates: Iterable[Candidate], *, read: bool) -> list[Candidate]:
    """The candidates that make a row: of a practice, not in practices.csv yet, and, once they are `read`, with some
    sign of a gateway."""
    signs = (Likelihood.GATEWAY, Likelihood.PERHAPS) if read else tuple(Likelihood)
    return [
        one for one in candidates if one.practice and not one.role and not one.why_not_row and one.likelihood in signs
    ]


def text(candidates: Iterable[Candidate], folder: Path) -> str:
    """The rows, with the header and the columns that the fleet's practices.csv has."""
    table = csvfile.read(folder / FILE, COLUMNS, None)
    columns = [name for name in table.columns if name] or list(COLUMNS)
    made = io.StringIO()
    writer = csv.writer(made, delimiter=table.separator, lineterminator="\n")
    writer.writerow(columns)
    for one in candidates:
        cells = {
            "practice": one.practice, "name": one.practice_name, "gateway": one.name, "address": one.address,
            "role": str(Role.CANDIDATE), "computer": one.name,
        }  # fmt: skip
        writer.writerow([cells.get(name, "") for name in columns])
    return made.getvalue()


def write(path: Path, content: str) -> None:
    """Write a new file. Errors: InputError where it came to be there meanwhile, or cannot be written."""
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.", "Give another file.") from error
