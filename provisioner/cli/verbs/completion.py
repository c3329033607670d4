"""`provisioner completion SHELL`: what makes a shell complete verbs, options, ids, gateways and practices."""

import click
from click.shell_completion import get_completion_class

from provisioner.cli.console import document

_VARIABLE = "_PROVISIONER_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete verbs, options, ids, gateways and practices.

    bash and zsh: eval "$(provisioner completion bash)" in the shell's start file; fish: pipe it into `source`.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    # The same words as click's own, without the question of how old the bash is, which costs a process.
    source = kind(context.find_root().command, {}, "provisioner", _VARIABLE)
    document(source.source_template % source.source_vars())
