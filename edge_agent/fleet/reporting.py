"""What a gateway says of itself, and when it says so again without anything that happened."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiomqtt import Client

from edge_agent import __version__
from edge_agent.build import Parts
from edge_agent.bundles.store import names
from edge_agent.config.north import FleetTable, MqttTable
from edge_agent.fleet.documents import Reported, topic
from edge_agent.fleet.orders import Orders
from edge_agent.fleet.releases import Releases

EVERY, BESIDE = 3600.0, 300.0
"""Seconds between two reports, and while a candidate runs; up to half of it is left out at random."""


class Reporting:
    """Reports of one gateway. `parts` are what the agent is made of at present."""

    def __init__(
        self, mqtt: MqttTable, fleet: FleetTable, state: Path, parts: Callable[[], Parts], releases: Releases
    ) -> None:
        self._mqtt, self._group, self._state = mqtt, fleet.group, state
        self._parts, self._releases = parts, releases
        self._sent, self._share = 0.0, 1.0

    @property
    def due(self) -> bool:
        """Whether it is time to report again."""
        candidate = any(machine.candidate is not None for machine in self._parts().machines)
        return time.monotonic() - self._sent >= self._share * (BESIDE if candidate else EVERY)

    async def send(self, client: Client, orders: Orders) -> None:
        """Report. Raises MqttError."""
        taken = orders.by_subject
        bundles = {n: self._releases.version(n, taken.get(f"bundle/{n}")) for n in names(self._state)}
        report = Reported(
            gateway=self._mqtt.node,
            group=self._group,
            version=__version__,
            time=time.time(),
            orders={subject: one.progress() for subject, one in taken.items()},
            bundles=bundles,
            configuration=self._parts().config.remote,
        )
        where = topic(self._mqtt.group, "reported", self._mqtt.node)
        await client.publish(where, msgspec.json.encode(report), qos=1, retain=True)
        self._sent, self._share = time.monotonic(), random.uniform(0.5, 1.0)  # noqa: S311 - no secret
