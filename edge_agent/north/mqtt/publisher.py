"""The connection to the broker: made again whenever it is lost, with patience and jitter."""

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from aiomqtt import Client, MqttError, Will

from edge_agent.build import Parts
from edge_agent.config.north import MqttTable
from edge_agent.credentials import NoCredential
from edge_agent.north.mqtt.connection import Patience, connection, ended_by, first_of, heed_cancel
from edge_agent.north.mqtt.node import NAMESPACE, Message, Node, Standing, asks_rebirth
from edge_agent.north.mqtt.outbox import Outbox
from edge_agent.north.standing import MqttStatus, wall

log = logging.getLogger(__name__)

TURN = 1.0
"""Seconds between looks at the history."""
COUNTERS_EVERY = 10.0
LOOK = 5.0
"""Seconds between looks at what waits, while nothing can be told."""
FAREWELL = 2.0


class _Ended(Exception):
    """A session ended on purpose, to be begun again."""


class Publisher:
    """Tells the results of an agent; `parts` are what it is made of at present. Use `run`."""

    def __init__(self, table: MqttTable, state: Path, parts: Callable[[], Parts]) -> None:
        self._table, self._parts_now = table, parts
        self._parts = parts()
        self._outbox = Outbox(state, table.forward, self._parts.config.history.results)
        self._birth = 0
        self._wake, self._reborn, self._online = asyncio.Event(), False, asyncio.Event()
        self._host_at = -1
        self._said, self._why, self._counted_at = "", "", 0.0
        self._connected, self._since, self._error = False, time.monotonic(), ""

    @property
    def waiting(self) -> int:
        """How many results wait to be sent."""
        return self._outbox.cursor.waiting

    @property
    def lost(self) -> int:
        """How many results were dropped from the history before they could be sent."""
        return self._outbox.cursor.lost

    @property
    def status(self) -> MqttStatus:
        """How it stands."""
        backlog = self._outbox.backlog
        return MqttStatus(
            broker=self._broker,
            connected=self._connected,
            since=wall(self._since),
            error=self._error,
            waiting=backlog.rows,
            oldest=backlog.oldest,
            room=backlog.room,
            told=self._outbox.told,
            dropped=self.lost,
        )

    @property
    def _broker(self) -> str:
        return f"{self._table.host}:{self._table.port}"

    async def run(self) -> None:
        """Connect and tell, for ever."""
        patience = Patience()
        try:
            while True:
                began, self._why = time.monotonic(), ""
                try:
                    # A task of its own, so that `heed_cancel` sees the cancelling of this session alone.
                    await asyncio.create_task(self._session())
                except* (_Ended, MqttError, NoCredential, OSError) as ended:
                    self._fail(first_of(ended) + self._why)
                await self._wait(asyncio.Event(), patience.after(time.monotonic() - began))
        finally:
            self._outbox.close()

    async def _session(self) -> None:
        """One connection, from its will to its end. Raises whatever ended it."""
        node = await asyncio.to_thread(self._node)
        will = Will(*node.death(self._birth, _now()), qos=1)
        client = connection(self._table, f"{self._table.group}.{self._table.node}", will)
        try:
            async with client:
                await self._live(client, node)
        finally:
            self._why = await ended_by(client)

    async def _live(self, client: Client, node: Node) -> None:
        self._online.clear()
        self._host_at = -1
        topics = [(node.topic("NCMD"), 1)]
        if self._table.primary:
            topics.append((f"{NAMESPACE}/STATE/{self._table.primary}", 1))
        try:
            await client.subscribe(topics)
            heed_cancel()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(client))
                group.create_task(self._tell(client, node))
        finally:
            client.timeout = FAREWELL
            await self._farewell(client, node)

    def _node(self) -> Node:
        self._parts = self._parts_now()
        config = self._parts.config
        self._outbox.settle({machine.name: machine.inputs for machine in config.machines})
        node = Node(self._table.group, self._table.node, config, self._outbox.since)
        self._birth = self._outbox.connected(node)
        return node

    async def _listen(self, client: Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if str(message.topic).startswith(f"{NAMESPACE}/STATE/"):
                self._hear_host(payload)
            elif asks_rebirth(payload):
                self._reborn = True
                self._wake.set()

    def _hear_host(self, payload: bytes) -> None:
        """Take what the primary host says, unless it said something newer (Sparkplug 3.0.0, 5.4)."""
        try:
            said = json.loads(payload)
            online, at = bool(said["online"]), int(said["timestamp"])
        except (ValueError, TypeError, KeyError):
            log.warning("mqtt: the state of %s cannot be read; ignored", self._table.primary)
            return
        if at < self._host_at:
            return
        self._host_at = at
        if online:
            self._online.set()
        elif self._online.is_set():
            raise _Ended(f"the primary host {self._table.primary} is offline; results wait")

    async def _tell(self, client: Client, node: Node) -> None:
        if self._table.primary:
            self._fail(f"connected; waits for the primary host {self._table.primary}")
            await self._wait(self._online)
        await self._be_born(client, node)
        self._set(connected=True)
        self._say(logging.INFO, f"connected to {self._broker}, {self.waiting} results wait")
        while True:
            if self._parts_now() is not self._parts:
                raise _Ended("the configuration changed; born again")
            heed_cancel()
            self._wake.clear()
            if self._reborn:
                await self._be_born(client, node)
            if not await self._turn(client, node):
                await self._pause()

    async def _be_born(self, client: Client, node: Node) -> None:
        self._reborn = False
        standing = _standing(self._parts)
        await _publish(client, node.birth(self._birth, _now(), self.waiting, self.lost, standing))

    async def _turn(self, client: Client, node: Node) -> bool:
        """Send what is next; return whether there is more."""
        batch = await asyncio.to_thread(self._outbox.batch, node, _now())
        await _publish(client, batch.messages)
        await _publish(client, node.begun(_standing(self._parts), _now()))
        if time.monotonic() - self._counted_at >= COUNTERS_EVERY:
            self._counted_at = time.monotonic()
            written = {machine.name: machine.written for machine in self._parts.machines}
            await _publish(client, node.counted(written, _now()))
            await _publish(client, node.backlog(self.waiting, self.lost, _now()))
        if batch.messages:
            # At QoS 0 nobody says that it arrived. But a broker handles what a connection sends in its order
            # (MQTT 3.1.1, 4.6), so when it answers this, which changes nothing, it has all that was before.
            await client.unsubscribe(node.topic("NDATA"))
        await asyncio.to_thread(self._outbox.done, batch)
        return batch.more

    async def _pause(self) -> None:
        await _within(TURN, self._wake)

    async def _wait(self, event: asyncio.Event, seconds: float = math.inf) -> None:
        """Wait for an event, at most so many seconds, and see meanwhile what is not told."""
        end = time.monotonic() + seconds
        while not event.is_set() and (left := end - time.monotonic()) > 0:
            await asyncio.to_thread(self._outbox.look)
            await _within(min(left, LOOK), event)

    async def _farewell(self, client: Client, node: Node) -> None:
        """Say that it is gone: a connection that is closed in order is none that the broker tells of."""
        try:
            async with asyncio.timeout(FAREWELL):
                await _publish(client, [node.death(self._birth, _now())])
        except (MqttError, TimeoutError):
            return  # the connection is lost, and so it is the broker that tells

    def _set(self, *, connected: bool) -> None:
        if connected != self._connected:
            self._connected, self._since = connected, time.monotonic()

    def _fail(self, why: str) -> None:
        self._set(connected=False)
        self._error = why
        self._say(logging.WARNING, why)

    def _say(self, level: int, text: str) -> None:
        """Log what is new: a broker that is away for a week is told once."""
        if text != self._said:
            self._said = text
            log.log(level, "mqtt: %s", text)


async def _within(seconds: float, event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def _publish(client: Client, messages: Iterable[Message]) -> None:
    for message in messages:
        await client.publish(message.topic, message.payload, qos=0)


def _standing(parts: Parts) -> Standing:
    return {
        machine.name: {r.output: (r.alarm_state.name, r.warning_state.name) for r in machine.verdict.readings}
        for machine in parts.machines
    }


def _now() -> int:
    return time.time_ns() // 1_000_000
