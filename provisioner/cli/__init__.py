"""The `provisioner` command: one file a verb, loaded when it is used, so that `--help` is quick."""

import atexit
import errno
import gc
import importlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from provisioner import __version__
from provisioner.cli import examples, streams
from provisioner.cli.options import Common, add_common_options, refuse_unwritable, refusing
from provisioner.errors import InputError, ProvisionerError, suggest

# The verbs in the order in which a person meets them, each with the line that `--help` shows.
VERBS = {
    "demo": "A pretend fleet audited, planned, brought into shape and audited again.",
    "init": "Write a new fleet folder.",
    "validate": "Is this fleet folder right? Touches no gateway.",
    "practices": "Open GP practices of the national list, as rows for practices.csv.",
    "find": "Which PC is a practice's gateway: from the directory, or by addresses.",
    "ping": "Can I get into each gateway, and if not, why?",
    "read": "One gateway's evidence, section by section.",
    "audit": "Read and judge the gateways. Changes nothing.",
    "plan": "What would be changed, in waves. Changes nothing.",
    "approve": "Say, as a second person, that a plan may be done.",
    "apply": "Do exactly what a plan says; again: go on where it stopped.",
    "undo": "Put back what was there before a plan.",
    "migrate": "Move a practice's gateway to another PC, and back.",
    "show": "An audit or a plan, from the journal.",
    "compare": "What changed from one audit to another.",
    "why": "Why a gateway has an answer: the reading, the rule, whose job it is, the last ten.",
    "forecast": "What ends in the next 90 days: Windows, certificates, waivers, statements.",
    "history": "What is in the journal.",
    "report": "An audit or a plan as html, csv, json or junit.",
    "requests": "What others have to do, as papers for tickets; what to tell security.",
    "record": "What a plan did, for an audit; and whether such a record is right.",
    "lease": "Who works on which gateway; and taking that from somebody.",
    "journal": "All of it verified; one that was moved or copied, as one of its own.",
    "inventory": "The fleet as Ansible sees it.",
    "lab": "A pretend fleet on this machine, for rehearsals and tests.",
    "completion": "Makes bash, zsh or fish complete verbs, ids, gateways and practices.",
}


_HELP = "help"


# Their own verbs take the options.
_GROUPS = frozenset({"lab", "migrate"})


class Verbs(click.Group):
    """Loads `provisioner.cli.verbs.VERB` only when that verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == _HELP:
            return _help
        if cmd_name not in VERBS:
            return None
        with loading():
            command: click.Command = importlib.import_module(f"provisioner.cli.verbs.{cmd_name}").command
        examples.shown(command, cmd_name)
        return refusing(command, cmd_name) if cmd_name in _GROUPS else add_common_options(command, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = suggest(args[0], VERBS)
            raise click.UsageError(f"There is no verb {args[0]}. {near}".rstrip(), ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@contextmanager
def loading() -> Iterator[None]:
    """While this lasts modules are loaded. A hundred thousand objects come so, and stay: Python's garbage collector
    looks through them neither meanwhile nor ever after."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def provisioner() -> None:
    """Audit, prepare and prove the SystmOne gateways of many GP practices.

    Exit codes: 0 all well; 1 required findings failed; 2 usage or input; 3 some gateways could not be read;
    4 stopped or waiting, can go on; 5 an undo failed and a person is needed; 70 a fault of provisioner itself.
    """


add_common_options(provisioner)


@click.command(_HELP)
@click.argument("verbs", nargs=-1, metavar="[VERB]...")
@click.pass_context
def _help(context: click.Context, verbs: tuple[str, ...]) -> None:
    """What a verb does and takes; the same as VERB --help."""
    assert context.parent is not None
    try:
        provisioner.main([*verbs, "--help"], prog_name=context.parent.info_name, standalone_mode=False)
    except click.exceptions.Exit:
        return


# What this computer has not enough of at the moment.
_SHORT = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})

# So many more than were given back, before they are looked through: some MB.
_NEW_OBJECTS = 50_000


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Ends the process with one of the exit codes."""
    collect_less()
    with streams.guarded() as printed:
        code = _run(arguments)
        sys.stdout.flush()
        if why := streams.lost(printed):
            click.echo(f"provisioner: what was to be printed is lost: standard output: {why}.", err=True)
    # Who closed it wants nothing printed; who named a place for it wants it there.
    if why and printed.trouble and printed.trouble.errno != errno.EBADF:
        code = code or 2
    sys.exit(code)


def collect_less() -> None:
    """Python walks all objects each time that a few hundred more were made, and once more when it ends: a quarter of
    what a short verb takes, to find next to nothing."""
    gc.set_threshold(_NEW_OBJECTS)
    atexit.register(gc.freeze)


def _run(arguments: Sequence[str] | None) -> int:
    """One command, with every error that it can end in said. Its exit code."""
    given = Common()
    try:
        refuse_unwritable(sys.argv[1:] if arguments is None else arguments)
        code = provisioner.main(arguments, standalone_mode=False, obj=given)
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.MissingParameter) and error.ctx and (such := examples.first(error.ctx.command_path)):
            click.echo(f"  Such as: {such}", err=True)
        return error.exit_code
    except ProvisionerError as error:
        _explain(error, given)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 4
    except (OSError, MemoryError, RuntimeError) as error:
        return _of_this_computer(error)
    except Exception:
        return _fault()
    return code if isinstance(code, int) else 0


def _of_this_computer(error: Exception) -> int:
    """What the machine that we run on refuses, in a line."""
    said = str(error) or "there is not enough memory"
    short = isinstance(error, MemoryError) or "start new thread" in said
    if isinstance(error, RuntimeError) and not short:
        return _fault()
    click.echo(f"provisioner: this computer says: {said}.", err=True)
    if short or getattr(error, "errno", None) in _SHORT:
        click.echo("  It is short of something: end other programs (see ulimit -a); then the same again.", err=True)
        return 4
    return 2


def _fault() -> int:
    """What nobody but us has caused: all that is known of it."""
    traceback.print_exc()
    click.echo("provisioner: this is a fault of provisioner itself. Please report it, with all of the above.", err=True)
    return 70


def _explain(error: ProvisionerError, given: Common) -> None:
    """An error as a person reads it: what happened, every fault, and what to do next."""
    from provisioner.cli.commands import givable
    from provisioner.cli.console import say

    faults = error.faults if isinstance(error, InputError) else ()
    told = [f"  {'warning: ' if fault.warning else ''}{fault}" for fault in faults]
    for line in (f"provisioner: {error.message}", *told, *([f"  {error.hint}"] if error.hint else [])):
        say(givable(line, given))
