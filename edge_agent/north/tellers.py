"""What a configuration asks to be told to the north."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edge_agent.build import Parts
from edge_agent.config import Config


class Teller(Protocol):
    """Something that tells of the agent until it is cancelled."""

    async def run(self) -> None:
        """Tell, for ever."""
        ...


def tellers(config: Config, parts: Callable[[], Parts]) -> list[Teller]:
    """Make what the configuration asks for; `parts` are what the agent is made of at present."""
    found: list[Teller] = []
    if config.north.mqtt:
        # Imported here because it costs memory that only those pay who ask for it.
        from edge_agent.north.mqtt.publisher import Publisher  # noqa: PLC0415

        found.append(Publisher(config.north.mqtt, Path(config.state), parts))
    if config.north.opcua_server:
        from edge_agent.north.opcua.host import OpcUaHost  # noqa: PLC0415

        found.append(OpcUaHost(parts))
    if config.north.mqtt and config.north.fleet:
        from edge_agent.fleet.gateway import FleetGateway  # noqa: PLC0415

        found.append(FleetGateway(config, config.north.mqtt, config.north.fleet))
    return found
