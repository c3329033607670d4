"""Gateways that share something, such as a site's line, of which only so many may be at work at once. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from provisioner.model.fleet import Gateway


class Lines:
    """Who is at work on which shared line. Not for several threads at once.

    `at_once_per` says by the name of a column of practices.csv how many gateways may be at work that have the same
    there; one whose cell is blank shares with nobody.
    """

    def __init__(self, gateways: Iterable[Gateway], at_once_per: Mapping[str, int]) -> None:
        self._most = {column.lower(): most for column, most in at_once_per.items()}
        self._of = {one.name: tuple(self._shared(one)) for one in gateways} if at_once_per else {}
        self._busy: Counter[tuple[str, str]] = Counter()

    def _shared(self, gateway: Gateway) -> Iterable[tuple[str, str]]:
        for column in self._most:
            value = gateway.practice if column == "practice" else gateway.variables.get(column, "")
            if value.strip():
                yield column, value.strip().casefold()

    def of(self, name: str) -> tuple[tuple[str, str], ...]:
        """What a gateway shares: column and value."""
        return self._of.get(name, ())

    def free(self, name: str) -> bool:
        """Whether there is room for that gateway."""
        return all(self._busy[one] < self._most[one[0]] for one in self.of(name))

    def beside(self, names: Iterable[str]) -> bool:
        """Whether all of these can be at work at the same time beside those that are. On a line on which nobody is they
        can: there they keep to what it has room for among themselves."""
        wanted = Counter(line for name in names for line in self.of(name))
        return all(
            not self._busy[line] or self._busy[line] + count <= self._most[line[0]] for line, count in wanted.items()
        )

    def begin(self, name: str) -> None:
        """It is at work from now on."""
        self._busy.update(self.of(name))

    def end(self, name: str) -> None:
        """It is not any more."""
        self._busy.subtract(self.of(name))

    def take(self, names: Iterable[str], most: int) -> Sequence[str]:
        """So many of these, at most, as there is room for, the first ones first; from now on they are at work."""
        taken: list[str] = []
        for name in names:
            if len(taken) == most:
                break
            if self.free(name):
                self.begin(name)
                taken.append(name)
        return taken
