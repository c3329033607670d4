"""The templates of the Connector's files: whether they can be read, whether a row has all that they ask for, and what
each file is made from."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner import files as disk
from provisioner.errors import Fault, suggest
from provisioner.model import FileTemplate, Gateway
from provisioner.model.settings import ConnectorFile
from provisioner.yamlfile import is_file

# What every template can use, beside the further columns of practices.csv and the file's own secrets.
GIVEN = ("practice", "practice_name", "gateway")
# By these a template gets at names that do not stand in it.
_ANY_NAME = frozenset({"hostvars", "lookup", "q", "query", "vars"})


def read(
    files: Sequence[ConnectorFile], columns: Collection[str], folder: Path
) -> tuple[dict[str, FileTemplate], list[Fault]]:
    """The files' templates by their place in the folder, and all that is wrong in them.

    A name that nothing gives is a warning: Ansible has some of its own.
    """
    found, faults = dict[str, FileTemplate](), list[Fault]()
    for file in files:
        if is_file(folder / file.template):
            template, wrong = _read(folder, file, {*GIVEN, *columns, *file.secrets})
            faults += wrong
            if template:
                found[file.template] = template
    return found, faults


def variables(gateway: Gateway) -> dict[str, str]:
    """What a template may use of a row. Its own columns cannot take the place of what names the practice."""
    named = {"practice": gateway.practice, "practice_name": gateway.practice_name, "gateway": gateway.name}
    return {**gateway.variables, **named}


def made_from(templates: Mapping[str, FileTemplate], file: ConnectorFile, gateway: Gateway) -> str:
    """The digest of all that a file is made from on that gateway: the template's bytes, what it uses of the row, and
    its secrets' references, never their values. "" for a template that is not among these."""
    template = templates.get(file.template)
    if template is None:
        return ""
    row = variables(gateway)
    used = {name: row[name] for name in row if template.uses is None or name in template.uses}
    content = json.dumps([template.sha256, used, dict(file.secrets)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


class _Anything(dict[str, Any]):
    """Filters or tests of any name: Ansible has more than jinja2, and what it has is not known here."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default) or str


def _read(folder: Path, file: ConnectorFile, known: Collection[str]) -> tuple[FileTemplate | None, list[Fault]]:
    # Only fleets with templates pay for loading jinja2.
    from jinja2 import Environment, TemplateSyntaxError, meta

    def fault(line: int | None, message: str, hint: str, *, warning: bool = False) -> Fault:
        return Fault(file.template, line, message, hint, warning=warning)

    environment = Environment(autoescape=False)  # noqa: S701 parsed, never rendered
    environment.filters, environment.tests = _Anything(environment.filters), _Anything(environment.tests)
    try:
        content = disk.read(folder / file.template, disk.SETTINGS)
        parsed = environment.parse(disk.decode(content))
        used, others = meta.find_undeclared_variables(parsed), list(meta.find_referenced_templates(parsed))
    except TemplateSyntaxError as error:
        return None, [fault(error.lineno, f"is no jinja2 template: {error.message}", "Mend the line.")]
    except RecursionError:
        return None, [fault(None, "is nested too deeply.", "A bracket too many?")]
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return None, [fault(None, f"cannot be read: {why}", "It is to be text in UTF-8.")]
    ansible = {"lookup", "query", "q", "now", "omit", "undef"}
    warnings = [
        fault(
            None,
            f"uses {name}, which no column and no secret gives.",
            suggest(name, known) or "Add the column to practices.csv, or the secret to connector.files.",
            warning=True,
        )
        for name in sorted(used - {*environment.globals, *known, *ansible})
    ]
    if others:
        unseen = "includes another file, and no audit sees when that one changes."
        warnings.append(fault(None, unseen, "Put its text into this one.", warning=True))
    uses = None if others or used & _ANY_NAME else frozenset(used)
    return FileTemplate(sha256=hashlib.sha256(content).hexdigest(), uses=uses), warnings
