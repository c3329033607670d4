"""The history in the terminal. Text from gateways is never obeyed here."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from provisioner.report import words
from provisioner.report.folding import flat, wrapped

_FURTHER_IN = "    "


def history(entries: Sequence[tuple[datetime, str, str, str]], width: int) -> Iterator[str]:
    """What there is, each with its time, kind, id and line. An id is never cut, for it is there to be copied: what does
    not fit beside it has lines of its own, and so has the id where it does not fit beside its time."""
    kinds, ids = ([entry[1] for entry in entries], [entry[2] for entry in entries])
    widths = [max(map(len, column), default=0) for column in (kinds, ids)]
    for at, kind, id_, title in entries:
        start = f"{words.short(at)}  {flat(kind):{widths[0]}}"
        named = f"{start}  {flat(id_):{widths[1]}}"
        if len(named) + 2 + len(flat(title)) <= width:
            yield f"{named}  {flat(title)}"
            continue
        fits = len(named.rstrip()) <= width
        yield (named if fits else start).rstrip()
        if not fits:
            yield _FURTHER_IN + flat(id_)
        yield from (_FURTHER_IN + part for part in wrapped(title, width - len(_FURTHER_IN)))
