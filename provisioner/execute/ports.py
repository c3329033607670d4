"""What a run reads, acts and speaks with: passed in, so that a run itself knows no gateway and no screen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.ansible.playbook import Acted
from provisioner.execute import events
from provisioner.model import Evidence, Finding, Gateway, Role, Step

Read = Callable[[Sequence[Gateway], bool], tuple[Sequence[Evidence], Mapping[str, Sequence[Finding]]]]
Act = Callable[[Sequence[Step], str], Mapping[str, Acted]]


@dataclass(frozen=True, kw_only=True)
class Hands:
    """The hands of a run.

    `read` (gateways in the roles by which they are judged, whether to measure endpoints) gives one Evidence each and
    their findings. `act` (steps of one shard, the run's mark) does them, and gives by step id what was said; it is
    called from several threads. `change_rows` writes roles into practices.csv (InputError). `knock` says whether a
    gateway is back. `ask` (what cannot be told) says whether to go on. Once `interrupted` is true nothing further
    starts. `end` ends what a dead run with that mark left behind (OSError).
    """

    read: Read
    act: Act
    say: Callable[[events.Happening], None]
    now: Callable[[], datetime]
    pause: Callable[[float], None]
    interrupted: Callable[[], bool]
    change_rows: Callable[[Mapping[str, Role]], None]
    knock: Callable[[Gateway], bool]
    ask: Callable[[str], bool]
    end: Callable[[str], object]
