"""What is the vendor's and not ours, in one place: all else takes it from here. There is one such product, and the
default below is it.

Facts: the vendor's own page, as docs/operations.md quotes it. What the vendor has not published is "" here, and has to
be given in fleet.yml.
"""

from dataclasses import dataclass
from typing import Literal, get_args

# The software that is installed, its runtime, and what hosts it as a service where it brings no host of its own.
PackageName = Literal["connector", "jre", "procrun"]

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, kw_only=True)
class Product:
    """A vendor's program on a gateway. `folder` and `runtime` are Windows folders, `image` the program that really
    runs; `programs`: names of files, lower case, of which a process is told to be it; `service`: the Windows service.

    `published` is what the vendor prints of its endpoints, which are so many and are reached on TCP `port`.
    `firewall_rule` is the name by which our one rule is found again, on every gateway and by every version of ours.
    `open_names`: names of products, lower case, that say nothing of anybody.
    """

    called: str
    folder: str
    runtime: str
    image: str
    programs: tuple[str, ...]
    service: str
    published: tuple[str, ...]
    port: int
    firewall_rule: str
    packages: tuple[PackageName, ...]
    open_names: tuple[str, ...]

    @property
    def how_many(self) -> str:
        """How many endpoints there are, in words."""
        return _NUMBERS[len(self.published)]


PRODUCT = Product(
    called="Connector",
    folder="C:\\iPlato",
    runtime="C:\\iPlato\\jre",
    image="C:\\iPlato\\jre\\bin\\java.exe",
    programs=("java.exe", "javaw.exe"),
    service="",
    published=("237.215.5", "237.215.9", "237.215.15", "237.215.16"),
    port=443,
    firewall_rule="iPlato Connector",
    packages=get_args(PackageName),
    open_names=("iplato connector", "iplatoconnector", "accurx", "accurx desktop"),
)
