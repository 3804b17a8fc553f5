"""The gateway's side: it obeys what is signed for it, and says how far it is."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiomqtt import Client, MqttError

from edge_agent import __version__
from edge_agent.build import Parts
from edge_agent.bundles.store import StoreError, names
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
    Reported,
    Stage,
    What,
    opened,
    topic,
)
from edge_agent.fleet.order import Failed, NotNow
from edge_agent.fleet.pieces import Fetcher
from edge_agent.fleet.probation import Probation
from edge_agent.fleet.releases import Releases
from edge_agent.fleet.taken import BEGUN, Memory, Taken
from edge_agent.historian import Historian
from edge_agent.north.mqtt.connection import Patience, connection, ended_by, first_of, heed_cancel

log = logging.getLogger(__name__)

SETTLE = 1.0
"""Seconds between hearing an order and obeying: those that were missed come together, the oldest is first."""
LOOK = 2.0
"""Seconds between looks at what became of what is on trial."""
REPORT_EVERY = 3600.0
TRIES, AGAIN, LONGEST_AGAIN = 6, 30.0, 900.0
"""How often is tried what could not be done just now; seconds until the second time, then doubled."""


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
        self._mqtt, self._fleet, self._state, self._parts = mqtt, fleet, Path(config.state), parts
        self._memory = Memory(self._state)
        self._releases = Releases(config)
        self._configuring = Configuring(config, fleet)
        self._commanding = Commanding(config, parts, historian)
        self._probation = Probation(parts, config.trial)
        self._fetcher = Fetcher(mqtt.group)
        self._told = self._why = ""
        self._pending: dict[str, Taken] = {}
        self._due: dict[str, float] = {}
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
        subject = desired.what.subject
        known = self._memory.orders.get(subject)
        if known is None or desired.number > known.desired.number:
            self._pending[subject] = Taken(desired=desired, signer=signer)
            self._due.pop(subject, None)
        elif desired.number < known.desired.number:
            self._say(f"order {desired.number} is older than {known.desired.number}, and is not obeyed")
        elif known.stage in BEGUN:
            self._pending[subject] = known
        self._wake.set()

    async def _follow(self, client: Client) -> None:
        await self._report(client)
        reported = time.monotonic()
        while True:
            heed_cancel()
            if await self._woken():
                await asyncio.sleep(SETTLE)
            if taken := self._next():
                await self._obey(client, taken)
            elif self._looked() or time.monotonic() - reported > REPORT_EVERY:
                await self._report(client)
                reported = time.monotonic()

    def _next(self) -> Taken | None:
        """Return the oldest order that is due."""
        now = time.monotonic()
        due = [t for subject, t in self._pending.items() if self._due.get(subject, 0.0) <= now]
        return min(due, key=lambda taken: taken.desired.number, default=None)

    async def _woken(self) -> bool:
        """Wait for an order, at most until one that waits may be due or trials have to be looked at."""
        if self._next() is not None:
            return False
        busy = self._pending or any(taken.stage == "trial" for taken in self._memory.orders.values())
        try:
            async with asyncio.timeout(LOOK if busy else REPORT_EVERY):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    async def _obey(self, client: Client, taken: Taken) -> None:
        """Do what is wanted. Whatever fails is told, and what runs goes on."""
        what = taken.desired.what
        del self._pending[what.subject]
        log.info("fleet: order %d, signed by %s: %s", taken.desired.number, taken.signer, what.text())

        async def reached(stage: Stage) -> None:
            await self._reached(client, taken, stage)

        async def fetch(file: File, largest: int) -> bytes:
            # All gateways of a stage are told at once, and the broker's line is one.
            await asyncio.sleep(random.uniform(0, self._fleet.spread))  # noqa: S311 - no secret
            await reached("fetching")
            return await self._fetcher.fetch(client, file, largest)

        detail = ""
        try:
            match what:
                case Bundle():
                    stage = await self._releases.begin(taken, what, fetch, reached)
                case Configuration():
                    stage = await self._configuring.begin(taken, what, fetch, reached)
                case Command():
                    stage, detail = await self._commanding.begin(taken, what)
        except NotNow as error:
            await self._later(client, taken, str(error))
        except (Failed, BadDocument, StoreError) as error:
            await self._reached(client, taken, "refused", str(error))
        else:
            await self._reached(client, taken, stage, detail)

    async def _later(self, client: Client, taken: Taken, why: str) -> None:
        """Try again in a while, if that was not done often enough."""
        taken.tries += 1
        if taken.tries >= TRIES:
            await self._reached(client, taken, "refused", f"{why}; tried {taken.tries} times")
            return
        seconds = min(AGAIN * 2 ** (taken.tries - 1), LONGEST_AGAIN) * random.uniform(1, 2)  # noqa: S311
        again = f"{why}; try {taken.tries + 1} of {TRIES} in {seconds:.0f} s"
        await self._reached(client, taken, "waiting", again)
        subject = taken.desired.what.subject
        if subject not in self._pending:
            self._pending[subject] = taken
            self._due[subject] = time.monotonic() + seconds

    def _looked(self) -> bool:
        """Look what became of what is on trial; return whether anything is known now that was not."""
        found = False
        for taken in [taken for taken in self._memory.orders.values() if taken.stage == "trial"]:
            became = self._became(taken.desired.what)
            if became is not None:
                self._keep(taken, *became)
                found = True
        return found

    def _became(self, what: What) -> tuple[Stage, str] | None:
        match what:
            case Bundle():
                return self._releases.became(what.name, what.sequence)
            case Configuration():
                return self._configuring.became(what)
            case Command():
                return self._releases.became(what.target, what.sequence)

    async def _reached(self, client: Client, taken: Taken, stage: Stage, detail: str = "") -> None:
        self._keep(taken, stage, detail)
        await self._report(client)

    def _keep(self, taken: Taken, stage: Stage, detail: str) -> None:
        taken.stage, taken.detail = stage, detail
        log.info("fleet: order %d: %s %s", taken.desired.number, stage, detail)
        self._memory.keep(taken)

    async def _report(self, client: Client) -> None:
        orders = self._memory.orders
        bundles = {n: self._releases.version(n, orders.get(f"bundle/{n}")) for n in names(self._state)}
        report = Reported(
            gateway=self._mqtt.node,
            group=self._fleet.group,
            version=__version__,
            time=time.time(),
            orders={subject: taken.progress() for subject, taken in orders.items()},
            bundles=bundles,
            configuration=self._parts().config.remote,
        )
        where = topic(self._mqtt.group, "reported", self._mqtt.node)
        await client.publish(where, msgspec.json.encode(report), qos=1, retain=True)

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            log.warning("fleet: %s", text)
