"""The templates of the Connector's files: whether they can be read, and whether a row has all that they ask for."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from provisioner import files as disk
from provisioner.errors import Fault, suggest
from provisioner.fleet.csvfile import decode
from provisioner.fleet.yamlfile import is_file
from provisioner.model.settings import ConnectorFile

# What every template can use, beside the further columns of practices.csv and the file's own secrets.
GIVEN = ("practice", "practice_name", "gateway")


def faults(files: Sequence[ConnectorFile], columns: Collection[str], folder: Path) -> Iterator[Fault]:
    """All that is wrong in these templates. A name that nothing gives is a warning: Ansible has some of its own."""
    for file in files:
        path = folder / file.template
        if is_file(path):
            yield from _of(path, file, {*GIVEN, *columns, *file.secrets})


class _Anything(dict[str, Any]):
    """Filters or tests of any name: Ansible has more than jinja2, and what it has is not known here."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default) or str


def _of(path: Path, file: ConnectorFile, known: Collection[str]) -> Iterator[Fault]:
    # Only fleets with templates pay for loading jinja2.
    from jinja2 import Environment, TemplateSyntaxError, meta

    environment = Environment(autoescape=False)  # noqa: S701 parsed, never rendered
    environment.filters, environment.tests = _Anything(environment.filters), _Anything(environment.tests)
    try:
        used = meta.find_undeclared_variables(environment.parse(decode(disk.read(path, disk.SETTINGS))))
    except TemplateSyntaxError as error:
        yield Fault(file.template, error.lineno, f"is no jinja2 template: {error.message}", "Mend the line.")
        return
    except RecursionError:
        yield Fault(file.template, None, "is nested too deeply.", "A bracket too many?")
        return
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        yield Fault(file.template, None, f"cannot be read: {why}", "It is to be text in UTF-8.")
        return
    ansible = {"lookup", "query", "q", "now", "omit", "undef"}
    for name in sorted(used - {*environment.globals, *known, *ansible}):
        hint = suggest(name, known) or "Add the column to practices.csv, or the secret to connector.files."
        yield Fault(file.template, None, f"uses {name}, which no column and no secret gives.", hint, warning=True)
