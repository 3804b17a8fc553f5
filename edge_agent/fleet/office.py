"""The office's side: what gateways say, and a rollout stage by stage, which stops by itself."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Self

import msgspec
from aiomqtt import Client
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

SETTLE = 1.0
"""Seconds without another report after which all that the broker keeps has come."""
WELL = ("done", "candidate")
ILL = ("refused", "rolled back")


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """When the next stage may begin: at least the share `ready` is well and no more than `failures` are not.

    `timeout` is in seconds. Who has not answered by then is not waited for: it finds its order on its return.
    """

    ready: float = 0.9
    failures: int = 0
    timeout: float = 3600.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one stage went: the gateways that are well, that failed, and that have not said."""

    stage: list[str]
    well: list[str]
    failed: list[str]
    silent: list[str]
    passed: bool

    def text(self) -> str:
        """The same for a person."""
        parts = [f"{len(self.well)} of {len(self.stage)} well"]
        for word, some in (("failed", self.failed), ("silent", self.silent)):
            if some:
                parts.append(f"{word}: {', '.join(some[:10])}{' ...' if len(some) > 10 else ''}")
        return "; ".join(parts)


class Office:
    """Connected to the broker; `reports` are the latest of every gateway."""

    def __init__(self, client: Client, group: str) -> None:
        self.client, self._group = client, group
        self.reports: dict[str, Reported] = {}
        self.unread: list[str] = []
        self._kept: dict[str, bytes] = {}
        self._changed = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, table: MqttTable) -> AsyncIterator[Self]:
        """Connect, and take what the broker keeps. Raises MqttError, `NoCredential`."""
        client = connection(table, f"{table.group}.office.{time.time_ns()}", largest=LARGEST_PACKET)
        try:
            async with client:
                office = cls(client, table.group)
                listening = asyncio.create_task(office._listen())
                try:
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
        manifest = files.decode(data, path).manifest
        file = await self.publish(data)
        return Bundle(do=do, name=manifest.name, sequence=manifest.sequence, file=file)

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
            await self._keep(piece, "file", file.sha256, number)
        await self._keep(index, "file", file.sha256, "index")
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

    async def outcome(self, stage: list[str], subject: str, number: int, gate: Gate) -> Outcome:
        """Wait until a stage may be judged, and judge it."""
        until = asyncio.get_running_loop().time() + gate.timeout
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while True:
                    found = self._judge(stage, subject, number, gate)
                    if not found.silent or len(found.failed) > gate.failures:
                        return found
                    self._changed.clear()
                    await self._changed.wait()
        return self._judge(stage, subject, number, gate)

    def _judge(self, stage: list[str], subject: str, number: int, gate: Gate) -> Outcome:
        of = {name: found for name in stage if (found := self.progress(name, subject, number))}
        well = [name for name, found in of.items() if found.stage in WELL]
        failed = [name for name, found in of.items() if found.stage in ILL]
        silent = [name for name in stage if name not in well and name not in failed]
        passed = len(failed) <= gate.failures and len(well) >= gate.ready * len(stage)
        return Outcome(stage=stage, well=well, failed=failed, silent=silent, passed=passed)

    async def kept(self, *where: str) -> dict[str, bytes]:
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
            if not str(message.topic).startswith(reports):
                self._kept[str(message.topic)] = payload
                self._changed.set()
                continue
            name = str(message.topic).rpartition("/")[2]
            try:
                report = decoded(payload, Reported)
            except BadDocument:
                self.unread.append(name)
                continue
            if report.gateway == name:
                self.reports[name] = report
                self._changed.set()

    async def _settled(self) -> None:
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(SETTLE):
                    await self._changed.wait()
            except TimeoutError:
                return


async def roll_out(
    office: Office,
    stages: list[list[str]],
    *,
    what: What,
    key: Ed25519PrivateKey,
    gate: Gate,
    say: Callable[[str], None],
) -> bool:
    """Bring it to one stage after the other; return False at the first that does not pass the gate."""
    for number, stage in enumerate(stages, 1):
        if not stage:
            continue
        say(f"stage {number} of {len(stages)}: {len(stage)} gateways")
        order = await office.order(stage, what, key)
        found = await office.outcome(stage, what.subject, order, gate)
        say(f"stage {number}: {found.text()}")
        for name in found.failed:
            if progress := office.progress(name, what.subject, order):
                say(f"  {name}: {progress.stage}: {progress.detail}")
        if not found.passed:
            say("stopped: the gate of this stage is not passed; nobody else was told")
            return False
    return True
