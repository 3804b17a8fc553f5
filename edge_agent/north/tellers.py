"""What a configuration asks to be told to the north."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edge_agent.build import Parts
from edge_agent.config import Config
from edge_agent.historian import Historian

# What tells is imported where it is asked for, because it costs memory that only those pay.
if TYPE_CHECKING:
    from edge_agent.fleet.gateway import FleetGateway
    from edge_agent.north.mqtt.publisher import Publisher
    from edge_agent.north.opcua.host import OpcUaHost


class Teller(Protocol):
    """Something that tells of the agent until it is cancelled."""

    async def run(self) -> None:
        """Tell, for ever."""
        ...


class Tellers(NamedTuple):
    """Who tells; None where nobody asked for it."""

    mqtt: "Publisher | None" = None
    opcua_server: "OpcUaHost | None" = None
    fleet: "FleetGateway | None" = None

    @property
    def there(self) -> list[Teller]:
        """Those that were asked for."""
        known: list[Teller | None] = [self.mqtt, self.opcua_server, self.fleet]
        return [teller for teller in known if teller]


NOBODY = Tellers()


def tellers(config: Config, parts: Callable[[], Parts], historian: Historian) -> Tellers:
    """Make what the configuration asks for; `parts` are what the agent is made of at present."""
    mqtt = opcua_server = fleet = None
    if config.north.mqtt:
        from edge_agent.north.mqtt.publisher import Publisher  # noqa: PLC0415

        mqtt = Publisher(config.north.mqtt, Path(config.state), parts)
    if config.north.opcua_server:
        from edge_agent.north.opcua.host import OpcUaHost  # noqa: PLC0415

        opcua_server = OpcUaHost(parts, historian)
    if config.north.mqtt and config.north.fleet:
        from edge_agent.fleet.gateway import FleetGateway  # noqa: PLC0415

        fleet = FleetGateway(config, config.north.mqtt, config.north.fleet, parts, historian)
    return Tellers(mqtt, opcua_server, fleet)
