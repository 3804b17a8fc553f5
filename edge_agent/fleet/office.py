"""The office's side: what gateways say, what they are told, and the files that they need for it."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
from aiomqtt import Client, MqttError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent import bundle as files
from edge_agent.config.north import MqttTable
from edge_agent.fleet.documents import (
    LARGEST_PACKET,
    BadDocument,
    Bundle,
    Command,
    Configuration,
    Desired,
    Do,
    File,
    Progress,
    Reported,
    What,
    decoded,
    sign,
    topic,
)
from edge_agent.fleet.packing import packed
from edge_agent.fleet.pieces import cut
from edge_agent.north.mqtt.connection import connection, ended_by

MOST_GATEWAYS = 100_000
ANSWER = 60.0
"""Seconds for all that the broker keeps to come."""
FILES_KEPT = 90 * 86_400.0
"""Seconds after which the broker drops what was brought of a file (MQTT 5.0, 3.3.2.3.3)."""


class Kept(NamedTuple):
    """What the broker keeps at a topic, and in how many seconds it drops that."""

    payload: bytes
    left: float


class Office:
    """Connected to the broker; `reports` are the latest of every gateway."""

    def __init__(self, client: Client, group: str, name: str) -> None:
        self.client, self._group = client, group
        self._echo, self._echoed = topic(group, "office", name), asyncio.Event()
        self.reports: dict[str, Reported] = {}
        self.unread: dict[str, str] = {}
        """Gateways whose report cannot be read, and why."""
        self._kept: dict[str, Kept] = {}
        self._changed = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, table: MqttTable) -> AsyncIterator[Self]:
        """Connect, and take what the broker keeps. Raises MqttError, `NoCredential`."""
        name = str(time.time_ns())
        client = connection(table, f"{table.group}.office.{name}", largest=LARGEST_PACKET, most=MOST_GATEWAYS)
        try:
            async with client:
                office = cls(client, table.group, name)
                listening = asyncio.create_task(office._listen())
                try:
                    await client.subscribe(office._echo, qos=1)
                    await client.subscribe(topic(table.group, "reported", "+"), qos=1)
                    await office._settled()
                    yield office
                finally:
                    listening.cancel()
                    await asyncio.wait({listening})
        finally:
            await ended_by(client)

    async def release(self, path: Path, do: Do) -> Bundle:
        """Put a bundle's pieces on the broker; return the order for it. Raises `BundleError`, MqttError."""
        data = files.load(path)
        order = order_of(path, data, do)
        await self.publish(data)
        return order

    async def configuration(self, path: Path) -> Configuration:
        """Put a configuration and its tag files on the broker; return the order for it.

        Raises `ConfigError`, MqttError.
        """
        document = packed(path, time.time_ns() // 1_000_000)
        return Configuration(
            sequence=document.sequence, file=await self.publish(msgspec.json.encode(document))
        )

    async def publish(self, data: bytes) -> File:
        """Put a file's pieces on the broker, its index last. Raises MqttError."""
        file, index, pieces = cut(data)
        for number, piece in enumerate(pieces):
            await self._keep(piece, "file", file.sha256, number, seconds=FILES_KEPT)
        await self._keep(index, "file", file.sha256, "index", seconds=FILES_KEPT)
        return file

    async def order(self, gateways: Sequence[str], what: What, key: Ed25519PrivateKey) -> int:
        """Tell gateways what is wanted; return the number of the order. Raises MqttError."""
        number = time.time_ns() // 1_000_000
        for gateway in gateways:
            desired = Desired(gateway=gateway, number=number, what=what)
            seconds = what.expires - time.time() if isinstance(what, Command) else math.inf
            await self._keep(sign(desired, key), "desired", gateway, what.subject, seconds=seconds)
        return number

    def progress(self, gateway: str, subject: str, number: int) -> Progress | None:
        """Return how far a gateway said it is with this order, None if it said nothing of it."""
        report = self.reports.get(gateway)
        found = report.orders.get(subject) if report else None
        return found if found and found.number == number else None

    async def news(self) -> None:
        """Wait until a gateway says something."""
        self._changed.clear()
        await self._changed.wait()

    async def kept(self, *where: str) -> dict[str, Kept]:
        """Return what the broker keeps at topics, which may have wildcards. Raises MqttError."""
        self._kept = {}
        wanted = topic(self._group, *where)
        await self.client.subscribe(wanted, qos=1)
        await self._settled()
        await self.client.unsubscribe(wanted)
        return self._kept

    async def clear(self, *where: str | int) -> None:
        """Take a message off the broker. Raises MqttError."""
        await self._keep(b"", *where)

    async def _keep(self, payload: bytes, *where: str | int, seconds: float = math.inf) -> None:
        """Let the broker keep a message, for so long (MQTT 5.0, 3.3.2.3.3)."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if seconds < math.inf:
            properties.MessageExpiryInterval = max(1, round(seconds))
        where_to = topic(self._group, *where)
        await self.client.publish(where_to, payload, qos=1, retain=True, properties=properties)

    async def _listen(self) -> None:
        reports = topic(self._group, "reported", "")
        async for message in self.client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if str(message.topic) == self._echo:
                self._echoed.set()
                continue
            if not str(message.topic).startswith(reports):
                left = getattr(message.properties, "MessageExpiryInterval", math.inf)
                self._kept[str(message.topic)] = Kept(payload, left)
                self._changed.set()
                continue
            name = str(message.topic).rpartition("/")[2]
            try:
                report = decoded(payload, Reported)
            except BadDocument as error:
                if payload:  # an empty one says that there is no report any more
                    self.unread[name] = str(error)
                continue
            if report.gateway == name:
                self.reports[name] = report
                self._changed.set()

    async def _settled(self) -> None:
        """Wait until all that the broker keeps has come: what is sent to it now comes after that.

        Raises MqttError.
        """
        self._echoed.clear()
        await self.client.publish(self._echo, b"", qos=1)
        try:
            async with asyncio.timeout(ANSWER):
                await self._echoed.wait()
        except TimeoutError:
            raise MqttError(
                f"the broker did not send all that it keeps within {ANSWER:g} s, or refuses {self._echo}; "
                "mosquitto's max_queued_messages has to be more than there are gateways"
            ) from None


def order_of(path: Path, data: bytes, do: Do) -> Bundle:
    """Return the order for a bundle, the file at `path`, which is `data`. Raises `BundleError`."""
    manifest = files.decode(data, path).manifest
    return Bundle(do=do, name=manifest.name, sequence=manifest.sequence, file=cut(data)[0])
