"""What people have stated of gateways and practices, as it stands on a day. Pure."""

from dataclasses import dataclass
from datetime import date

from provisioner.model import Fleet, Gateway


@dataclass(frozen=True, kw_only=True)
class StatementsInForce:
    """The statements that stand on a day, to be asked of many gateways: pairs of control and practice or gateway."""

    day: date
    practices: frozenset[tuple[str, str]]
    gateways: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, fleet: Fleet, day: date) -> "StatementsInForce":
        """Those of a fleet."""
        stand = [statement for statement in fleet.statements if statement.stands(day)]
        return cls(
            day=day,
            practices=frozenset(
                (statement.control, statement.practice) for statement in stand if not statement.gateway
            ),
            gateways=frozenset((statement.control, statement.gateway) for statement in stand if statement.gateway),
        )

    def covers(self, control: str, gateway: Gateway) -> bool:
        """Whether one speaks of the gateway: by name, or of its whole practice."""
        return self.names(control, gateway) or (control, gateway.practice) in self.practices

    def names(self, control: str, gateway: Gateway) -> bool:
        """Whether one speaks of the gateway by name."""
        return (control, gateway.name) in self.gateways
