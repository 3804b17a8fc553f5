"""The gateway's side: it obeys what is signed for it, and says how far it is."""

import asyncio
import json
import logging
import random
import sys
import time
from pathlib import Path

import msgspec
from aiomqtt import Client, MqttError

from edge_agent import __version__, durable
from edge_agent.bundles.candidate import read_tally, tally_path
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Store, StoreError, names, sequence_of
from edge_agent.config import Config
from edge_agent.config.north import FleetTable, MqttTable
from edge_agent.core.comparison import Tally
from edge_agent.credentials import NoCredential
from edge_agent.fleet.documents import (
    BadDocument,
    Desired,
    Reported,
    Stage,
    Version,
    digest,
    index_of,
    opened,
    topic,
)
from edge_agent.north.mqtt.connection import Patience, connection, ended_by, first_of, heed_cancel

log = logging.getLogger(__name__)

FILE = "fleet.json"
LOOK = 2.0
"""Seconds between looks at what became of a version on trial."""
REPORT_EVERY = 3600.0
PIECE_DEADLINE = 60.0
"""Seconds that a piece of a bundle may take."""
INSTALL_DEADLINE = 300.0
_BEGUN = ("none", "fetching", "installing")
"""What is begun again where it was interrupted."""
_HEALTHY_ENDS = ("done", "candidate")


class _Failed(Exception):
    """What was told cannot be done here; the text says why."""


class Kept(msgspec.Struct, kw_only=True):
    """What a gateway remembers: the last order that it took up, and how far it got."""

    number: int = 0
    desired: Desired | None = None
    stage: Stage = "none"
    detail: str = ""
    verdict: str = ""


class FleetGateway:
    """Follows the orders for this gateway. Use `run`."""

    def __init__(self, config: Config, mqtt: MqttTable, fleet: FleetTable) -> None:
        self._config, self._mqtt, self._fleet = config, mqtt, fleet
        self._state = Path(config.state)
        self._kept = self._load()
        self._told = self._why = ""
        self._ordered: Desired | None = None
        self._wake = asyncio.Event()
        self._pieces: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(maxsize=8)

    async def run(self) -> None:
        """Connect and obey, for ever."""
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
        client = connection(self._mqtt, f"{self._mqtt.group}.{self._mqtt.node}.fleet")
        try:
            async with client:
                await client.subscribe(topic(self._mqtt.group, "desired", self._mqtt.node), qos=1)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._listen(client))
                    group.create_task(self._follow(client))
        finally:
            self._why = await ended_by(client)

    async def _listen(self, client: Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if "/desired/" in str(message.topic):
                self._hear(payload)
            else:
                await self._pieces.put((str(message.topic), payload))

    def _hear(self, payload: bytes) -> None:
        try:
            desired = opened(payload, Path(self._fleet.trust), self._mqtt.node)
        except BadDocument as error:
            self._say(f"an order is not obeyed: {error}")
            return
        if desired.number < self._kept.number:
            self._say(f"order {desired.number} is older than {self._kept.number}, and is not obeyed")
        elif desired.number > self._kept.number or self._kept.stage in _BEGUN:
            self._ordered = desired
            self._wake.set()

    async def _follow(self, client: Client) -> None:
        await self._report(client)
        while True:
            heed_cancel()
            if self._ordered is not None:
                desired, self._ordered = self._ordered, None
                await self._obey(client, desired)
            if self._kept.stage == "trial" and self._became():
                await self._report(client)
            self._wake.clear()
            if self._ordered is None:
                await self._pause(LOOK if self._kept.stage == "trial" else REPORT_EVERY)
            if self._kept.stage in _HEALTHY_ENDS or self._kept.stage == "none":
                await self._report(client)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _obey(self, client: Client, desired: Desired) -> None:
        """Fetch, install and start what is wanted. Whatever fails is told, and what runs goes on."""
        bundle = desired.bundle
        log.info("fleet: order %d: %s %s@%d", desired.number, desired.do, bundle.name, bundle.sequence)
        self._kept = Kept(number=desired.number, desired=desired)
        try:
            if not self._installed(desired):
                # All gateways of a stage are told at once, and the broker's line is one.
                await asyncio.sleep(random.uniform(0, self._fleet.spread))  # noqa: S311 - no secret
                await self._reached(client, "fetching")
                data = await self._fetch(client, desired)
                await self._reached(client, "installing")
                await self._install(data)
            await self._edge_agent("bundle", desired.do, f"{bundle.name}@{bundle.sequence}")
        except (_Failed, BadDocument, StoreError) as error:
            await self._reached(client, "refused", str(error))
            return
        await self._reached(client, "trial" if desired.do == "activate" else "candidate")

    def _installed(self, desired: Desired) -> bool:
        store = Store(self._state, desired.bundle.name)
        if not store.folder.is_dir():
            return False
        file = store.versions().get(desired.bundle.sequence)
        return file is not None and digest((store.folder / file).read_bytes()) == desired.bundle.sha256

    async def _fetch(self, client: Client, desired: Desired) -> bytes:
        """Return the bundle's file, every piece checked. Raises `BadDocument`, `_Failed`."""
        base = topic(self._mqtt.group, "bundle", desired.bundle.sha256)
        index = index_of(await self._piece(client, f"{base}/index"), desired.bundle)
        data = bytearray()
        for number, expected in enumerate(index.pieces):
            piece = await self._piece(client, f"{base}/{number}")
            if digest(piece) != expected:
                raise BadDocument(f"piece {number} of {len(index.pieces)} is not the one that was signed for")
            data += piece
        if digest(bytes(data)) != desired.bundle.sha256:
            raise BadDocument("the pieces are not the bundle that was signed for")
        return bytes(data)

    async def _piece(self, client: Client, wanted: str) -> bytes:
        """Ask for one retained message, so that no more than one piece is ever on its way."""
        await client.subscribe(wanted, qos=1)
        try:
            async with asyncio.timeout(PIECE_DEADLINE):
                while True:
                    found, payload = await self._pieces.get()
                    if found == wanted:
                        return payload
        except TimeoutError:
            raise _Failed(f"the broker has no {wanted}") from None
        finally:
            await client.unsubscribe(wanted)

    async def _install(self, data: bytes) -> None:
        path = self._state / "fleet.bundle"
        try:
            await asyncio.to_thread(durable.replace, path, data)
            said = await self._edge_agent("bundle", "install", str(path), "--json")
            canary = json.loads(said)["canary"]
            self._kept.verdict = f"canary: a call takes {canary['p50']:.0f} us (p99 {canary['p99']:.0f} us)"
        except OSError as error:
            raise _Failed(f"{path}: {error.strerror}") from None
        finally:
            path.unlink(missing_ok=True)

    async def _edge_agent(self, *arguments: str) -> str:
        """Do what an operator would, in a process of its own: no cycle waits for it. Raises `_Failed`."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "edge_agent", *arguments, "--config", self._config.file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(INSTALL_DEADLINE):
                said, complaint = await child.communicate()
        except TimeoutError:
            raise _Failed(f"{' '.join(arguments[:2])} did not end within {INSTALL_DEADLINE:g} s") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode:
            raise _Failed(complaint.decode(errors="replace").strip() or f"exit {child.returncode}")
        return said.decode(errors="replace")

    def _became(self) -> bool:
        """Look what became of the version on trial; return whether that is known now."""
        assert self._kept.desired is not None
        bundle = self._kept.desired.bundle
        record = Store(self._state, bundle.name).read()
        if sequence_of(record.active) != bundle.sequence:
            self._keep("rolled back", record.journal[-1].what)
        elif record.committed:
            self._keep("done")
        else:
            return False
        return True

    async def _reached(self, client: Client, stage: Stage, detail: str = "") -> None:
        self._keep(stage, detail)
        await self._report(client)

    def _keep(self, stage: Stage, detail: str = "") -> None:
        self._kept.stage, self._kept.detail = stage, detail
        log.info("fleet: order %d: %s %s", self._kept.number, stage, detail)
        durable.replace(self._state / FILE, msgspec.json.encode(self._kept))

    async def _report(self, client: Client) -> None:
        report = Reported(
            gateway=self._mqtt.node,
            group=self._fleet.group,
            version=__version__,
            time=time.time(),
            number=self._kept.number,
            stage=self._kept.stage,
            detail=self._kept.detail,
            bundles={name: self._version(name) for name in names(self._state)},
        )
        where = topic(self._mqtt.group, "reported", self._mqtt.node)
        await client.publish(where, msgspec.json.encode(report), qos=1, retain=True)

    def _version(self, name: str) -> Version:
        record = Store(self._state, name).read()
        return Version(
            active=sequence_of(record.active),
            committed=record.committed,
            candidate=sequence_of(record.candidate),
            verdict="; ".join(filter(None, (self._kept.verdict, *self._tallies(name, record)))),
        )

    def _tallies(self, name: str, record: Record) -> list[str]:
        """Return what the candidate has shown beside each machine."""
        if not record.candidate:
            return []
        found = []
        for machine in self._config.machines:
            tally = read_tally(tally_path(Store(self._state, name).folder, machine.name))
            if machine.stored == name and tally is not None:
                found.append(f"{machine.name}: {_said(tally)}")
        return found

    def _load(self) -> Kept:
        try:
            return msgspec.json.decode((self._state / FILE).read_bytes(), type=Kept)
        except FileNotFoundError:
            return Kept()

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            log.warning("fleet: %s", text)


def _said(tally: Tally) -> str:
    return (
        f"{tally.cycles} cycles, {tally.flips} flips, {tally.missed} missed, "
        f"alarms of one alone {tally.only_active + tally.only_candidate}"
    )
