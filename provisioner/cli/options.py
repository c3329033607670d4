"""The options that every verb knows, before or after the verb."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass
class Common:
    """The common options as given so far; the same object for the whole command."""

    fleet: Path | None = None
    only: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    format: str = "table"
    yes: bool = False
    verbose: int = 0


def common() -> Common:
    """The common options of the running command."""
    found = click.get_current_context().find_root().obj
    return found if isinstance(found, Common) else Common()


def _keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Several places may give an option: lists add up, the later of two single values counts."""
    root = ctx.find_root()
    if not isinstance(root.obj, Common):
        root.obj = Common()
    name = parameter.name or ""
    if not value:
        return
    from_environment = ctx.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT
    if from_environment and getattr(root.obj, name):
        return  # what was typed counts, wherever it stands
    setattr(root.obj, name, getattr(root.obj, name) + value if isinstance(value, tuple) else value)


def _options() -> list[click.Option]:
    shared: dict[str, Any] = {"expose_value": False, "callback": _keep}
    return [
        click.Option(
            ["--fleet"],
            type=click.Path(path_type=Path, file_okay=False),
            envvar="PROVISIONER_FLEET",
            help="The fleet folder; default: this folder.",
            **shared,
        ),
        click.Option(
            ["--only"],
            multiple=True,
            metavar="PATTERN",
            help="Practice, gateway or column=value; * and ? match. May be repeated.",
            **shared,
        ),
        click.Option(
            ["--remedy", "remedies"],
            multiple=True,
            metavar="NAME",
            help="Only this remedy, such as firewall. May be repeated.",
            **shared,
        ),
        click.Option(["--format"], type=click.Choice(["table", "json"]), help="How results are printed.", **shared),
        click.Option(["--yes"], is_flag=True, help="Answer yes to every question.", **shared),
        click.Option(["-v", "--verbose"], count=True, help="Say more on stderr.", **shared),
    ]


def add_common_options(command: click.Command) -> click.Command:
    """Give a verb the common options that it has not already."""
    have = {parameter.name for parameter in command.params}
    command.params.extend(option for option in _options() if option.name not in have)
    return command
