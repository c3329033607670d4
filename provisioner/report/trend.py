"""A small picture of readiness over the last audits of a fleet: a column an audit, and the same in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.report import words

# Columns of the picture, in its own units.
_HEIGHT, _STEP, _WIDE = 40.0, 12.0, 9.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """How many of how many gateways were ready at an audit."""

    at: datetime
    ready: int
    total: int

    @property
    def said(self) -> str:
        """In words: 12 of 26 on 23 Nov 2026 20:15."""
        return f"{self.ready:,} of {self.total:,} on {words.short(self.at)[:17]}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A point as it is drawn: where it begins, how much of its height is ready, and what it says."""

    x: float
    height: float
    said: str


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The picture: its columns, the oldest first; `sentence` says where it began and where it is."""

    columns: tuple[Column, ...]
    sentence: str
    width: float
    wide: float = _WIDE
    tall: float = _HEIGHT


def trend(points: Sequence[Point]) -> Trend | None:
    """The picture of these audits, the oldest first; None where there are not two with a gateway that counts."""
    counted = [point for point in points if point.total]
    if len(counted) < 2:
        return None
    columns = tuple(
        Column(x=number * _STEP, height=_HEIGHT * point.ready / point.total, said=point.said)
        for number, point in enumerate(counted)
    )
    sentence = f"Ready: {counted[0].said}, and {counted[-1].said}"
    return Trend(columns=columns, sentence=sentence, width=len(counted) * _STEP - (_STEP - _WIDE))
