"""The gateway's side: it obeys what is signed for it, and says how far it is."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path

from aiomqtt import Client, MqttError

from edge_agent.build import Parts
from edge_agent.bundles.store import StoreError
from edge_agent.config import Config
from edge_agent.config.north import FleetTable, MqttTable
from edge_agent.credentials import NoCredential
from edge_agent.fleet.commanding import Commanding
from edge_agent.fleet.configuring import Configuring
from edge_agent.fleet.documents import (
    LARGEST_PACKET,
    BadDocument,
    Bundle,
    Command,
    Configuration,
    File,
    Stage,
    What,
    opened,
    topic,
)
from edge_agent.fleet.operator import Failed, NotNow
from edge_agent.fleet.orders import Orders, Taken
from edge_agent.fleet.pieces import Fetcher
from edge_agent.fleet.probation import Probation
from edge_agent.fleet.releases import Fetch, Reached, Releases
from edge_agent.fleet.reporting import Reporting
from edge_agent.historian import Historian
from edge_agent.north.mqtt.connection import Patience, connection, ended_by, first_of, heed_cancel

log = logging.getLogger(__name__)

SETTLE = 1.0
"""Seconds between hearing an order and obeying: those that were missed come together, the oldest is first."""
LOOK = 2.0
"""Seconds between looks at what became of what is on trial, and whether a report is due."""


class FleetGateway:
    """Follows the orders for this gateway. Use `run`."""

    def __init__(
        self,
        config: Config,
        mqtt: MqttTable,
        fleet: FleetTable,
        parts: Callable[[], Parts],
        historian: Historian,
    ) -> None:
        self._mqtt, self._fleet, self._state = mqtt, fleet, Path(config.state)
        self._orders = Orders(self._state)
        self._releases = Releases(config, parts)
        self._reporting = Reporting(mqtt, fleet, self._state, parts, self._releases)
        self._configuring = Configuring(config, fleet)
        self._commanding = Commanding(config, parts, historian)
        self._probation = Probation(parts, config.trial)
        self._fetcher = Fetcher(mqtt.group)
        self._told = self._why = ""
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Connect and obey, for ever; what is on trial is looked at whether there is a broker or not."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probation.run())
            group.create_task(self._connect())

    async def _connect(self) -> None:
        patience = Patience()
        while True:
            began, self._why = time.monotonic(), ""
            try:
                # A task of its own, so that `heed_cancel` sees the cancelling of this session alone.
                await asyncio.create_task(self._session())
            except* (MqttError, NoCredential, OSError) as ended:
                self._say(f"no connection for orders: {first_of(ended)}{self._why}")
            await asyncio.sleep(patience.after(time.monotonic() - began))

    async def _session(self) -> None:
        name = f"{self._mqtt.group}.{self._mqtt.node}.fleet"
        client = connection(self._mqtt, name, largest=LARGEST_PACKET)
        try:
            async with client:
                await client.subscribe(topic(self._mqtt.group, "desired", self._mqtt.node, "#"), qos=1)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._listen(client))
                    group.create_task(self._follow(client))
        finally:
            self._why = await ended_by(client)

    async def _listen(self, client: Client) -> None:
        orders = topic(self._mqtt.group, "desired", "")
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if not str(message.topic).startswith(orders):
                self._fetcher.arrived(str(message.topic), payload)
            elif payload:
                self._hear(payload)

    def _hear(self, payload: bytes) -> None:
        try:
            desired, signer = opened(payload, Path(self._fleet.trust), self._mqtt.node)
        except BadDocument as error:
            self._say(f"an order is not obeyed: {error}")
            return
        if complaint := self._orders.hear(desired, signer):
            self._say(complaint)
        self._wake.set()

    async def _follow(self, client: Client) -> None:
        await self._report(client)
        while True:
            heed_cancel()
            if await self._woken():
                await asyncio.sleep(SETTLE)
            if taken := self._orders.next():
                await self._obey(client, taken)
            elif self._looked() or self._reporting.due:
                await self._report(client)

    async def _woken(self) -> bool:
        """Wait for an order, at most until it is time to look."""
        if self._orders.next() is not None and not self._wake.is_set():
            return False
        try:
            async with asyncio.timeout(LOOK):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    async def _obey(self, client: Client, taken: Taken) -> None:
        """Do what is wanted. Whatever fails is told, and what runs goes on."""
        self._orders.begun(taken)
        what = taken.desired.what
        log.info("fleet: order %d, signed by %s: %s", taken.desired.number, taken.signer, what.text())

        async def reached(stage: Stage) -> None:
            self._orders.keep(taken, stage)
            await self._report(client)

        async def fetch(file: File, largest: int) -> bytes:
            # All gateways of a stage are told at once, and the broker's line is one.
            await asyncio.sleep(random.uniform(0, self._fleet.spread))  # noqa: S311 - no secret
            await reached("fetching")
            return await self._fetcher.fetch(client, file, largest)

        try:
            self._orders.keep(taken, *await self._begin(taken, what, fetch, reached))
        except NotNow as error:
            self._orders.later(taken, str(error))
        except (Failed, BadDocument, StoreError) as error:
            self._orders.keep(taken, "refused", str(error))
        await self._report(client)

    async def _begin(self, taken: Taken, what: What, fetch: Fetch, reached: Reached) -> tuple[Stage, str]:
        match what:
            case Bundle():
                return await self._releases.begin(taken, what, fetch, reached), ""
            case Configuration():
                return await self._configuring.begin(taken, what, fetch, reached), ""
            case Command():
                return await self._commanding.begin(taken, what)

    def _looked(self) -> bool:
        """Look what became of what is on trial; return whether anything is known now that was not."""
        found = [(taken, self._became(taken.desired.what)) for taken in self._orders.on_trial]
        for taken, became in found:
            if became is not None:
                self._orders.keep(taken, *became)
        return any(became is not None for _, became in found)

    def _became(self, what: What) -> tuple[Stage, str] | None:
        try:
            match what:
                case Bundle():
                    return self._releases.became(what.name, what.sequence)
                case Configuration():
                    return self._configuring.became(what)
                case Command():
                    return self._releases.became(what.target, what.sequence)
        except StoreError as error:
            return "refused", str(error)

    async def _report(self, client: Client) -> None:
        await self._reporting.send(client, self._orders)

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            log.warning("fleet: %s", text)
