"""What the shell offers where a verb takes an id, a gateway or a practice. Where nothing can be known, nothing."""

from collections.abc import Callable, Iterable
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from provisioner.model import Fleet

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_MOST = 50


def ids(*kinds: str) -> Offer:
    """The ids of all that the journal has of these kinds, the newest first; of every kind where none is given."""

    def offer(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        # Loaded here: all verbs name what their words are completed by, and some need no journal.
        from provisioner.cli.lookup import KINDS, LATEST, look_into

        with suppress(Exception), context.scope(cleanup=False), look_into() as journal:
            return _items((LATEST, *journal.kept(*(kinds or KINDS))), begun)
        return []

    return offer


def gateways(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """The fleet's gateways."""
    with suppress(Exception), context.scope(cleanup=False):
        return _items((row.name for row in _fleet().known), begun)
    return []


def controls(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """The controls of the policy."""
    with suppress(Exception), context.scope(cleanup=False):
        # Loaded here: a shell that completes other words need not wait for it.
        from provisioner.audit.shipped import open_policy

        return _items((one.id for one in open_policy().controls), begun)
    return []


def practices(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """The fleet's practices, by their codes."""
    with suppress(Exception), context.scope(cleanup=False):
        return _items(dict.fromkeys(row.practice for row in _fleet().gateways), begun)
    return []


def _fleet() -> Fleet:
    # Loaded here, as the journal.
    from provisioner.cli.fleets import fleet_on_paper

    return fleet_on_paper()


def _items(words: Iterable[str], begun: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(begun)][:_MOST]
