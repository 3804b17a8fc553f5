"""A Sparkplug host that listens to a broker, a history to tell of, and a publisher between them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiomqtt
import dense_model
import pytest
from memory_site import bundle_of
from mosquitto import Broker
from pysparkplug import DBirth, DData, NBirth, NData, NDeath

from edge_agent.config import Config, schema
from edge_agent.config.north import MqttTable
from edge_agent.config.tables import ModbusTable, PriorityTable
from edge_agent.core.manifest import Manifest
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason, Tag
from edge_agent.device import Written
from edge_agent.historian import FILE
from edge_agent.history import file
from edge_agent.north.mqtt import connection, publisher
from edge_agent.north.mqtt.publisher import Publisher

KINDS = {"NBIRTH": NBirth, "DBIRTH": DBirth, "DDATA": DData, "NDATA": NData, "NDEATH": NDeath}
INPUTS = ["a.flow", "a.head", "a.speed", "a.power"]


class Host:
    """Hears everything of one group. `heard` are kind, device and payload."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []
        self.raw: list[tuple[str, bytes]] = []
        self._changed = asyncio.Event()

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            kind = str(message.topic).split("/")[2]
            assert message.qos == 0 or kind in {"NDEATH", "NCMD"}
            assert not message.retain
            self.hear(str(message.topic), message.payload)

    def hear(self, topic: str, payload: bytes) -> None:
        _, _, kind, _, *device = topic.split("/")
        if kind in KINDS:
            self.raw.append((topic, payload))
            self.heard.append((kind, "/".join(device), decoded(kind, payload)))
            self._changed.set()

    async def until(self, condition: Any, what: str, seconds: float = 20.0) -> Any:
        try:
            async with asyncio.timeout(seconds):
                while not (found := condition()):
                    self._changed.clear()
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s: {what}; heard {len(self.heard)}") from None

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.heard]

    def of(self, kind: str, device: str = "") -> list[Any]:
        return [payload for k, d, payload in self.heard if (k, d) == (kind, device)]

    def names(self, device: str) -> dict[int, str]:
        """Names by alias, from the last birth."""
        return {m.alias: m.name for m in self.of("DBIRTH", device)[-1].metrics}

    def told(self, device: str, name: str, *, late: bool | None = None) -> list[tuple[int, Any]]:
        """Time and value of one metric in every message of data, in the order of their arrival."""
        if not self.of("DBIRTH", device):
            return []
        names = self.names(device)
        return [
            (metric.timestamp, metric.value)
            for payload in self.of("DDATA", device)
            for metric in payload.metrics
            if names[metric.alias] == name and late in (None, metric.is_historical)
        ]


def decoded(kind: str, payload: bytes) -> Any:
    """Decode what has no datatype by the field that it is in."""
    if kind not in ("DDATA", "NDATA"):
        return KINDS[kind].decode(payload) if kind in KINDS else payload
    from pysparkplug._protobuf import Payload

    raw = Payload.FromString(payload)
    metrics = [
        SimpleNamespace(
            alias=m.alias,
            name=m.name,
            timestamp=m.timestamp,
            is_historical=m.is_historical,
            value=None if m.is_null else getattr(m, m.WhichOneof("value")),
        )
        for m in raw.metrics
    ]
    return SimpleNamespace(seq=raw.seq, timestamp=raw.timestamp, metrics=metrics)


@contextlib.asynccontextmanager
async def hosting(broker: Broker, **options: Any) -> AsyncIterator[Host]:
    """A host that has subscribed before the body runs."""
    host = Host()
    async with aiomqtt.Client("127.0.0.1", broker.port, **options) as client:
        await client.subscribe("spBv1.0/plant/#", qos=1)
        listening = asyncio.create_task(host.listen(client))
        try:
            yield host
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await listening


class History:
    """Results as the historian keeps them, at any time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._connection, _ = file.connect(self.path)

    def add(
        self, machine: str, at: float, score: float | None, *, alarm: bool = False, **changes: Any
    ) -> None:
        row = {
            "time": at,
            "machine": machine,
            "sequence": 1,
            "state": "ADVISORY" if score is not None else "FALLBACK",
            "reason": "NONE" if score is not None else "TIMEOUT",
            "score": score,
            "alarm": alarm,
            "inputs": json.dumps(changes.get("inputs", [1.0, 2.0, None, 4.0])),
            "outputs": json.dumps({"wear": {"alarm": alarm, "score": score}}),
        }
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._connection.execute(f"INSERT INTO result({names}) VALUES ({marks})", list(row.values()))

    def change(self, machine: str, at: float, alarm: str, warning: str) -> None:
        """The alarm or the warning of its output changed."""
        row = (at, machine, "wear", alarm, warning)
        self._connection.execute(
            "INSERT INTO alarm(time, machine, output, alarm, warning) VALUES (?, ?, ?, ?, ?)", row
        )

    def commit(self) -> None:
        self._connection.commit()

    def drop(self, before: int) -> None:
        with self._connection:
            self._connection.execute("DELETE FROM result WHERE id < ?", (before,))

    def close(self) -> None:
        self._connection.close()


def config_of(
    folder: Path, *machines: str, inputs: list[str] = INPUTS, manifest: Manifest = dense_model.MANIFEST
) -> Config:
    tags = [Tag(name=n, address=None, unit="m3/h" if "flow" in n else "", low=0, high=50) for n in INPUTS]
    table = ModbusTable(driver="modbus-tcp")
    scanned = [schema.ScannedTag(tag=tag, scan=1.0) for tag in tags]
    return Config(
        name="gw",
        state=str(folder),
        devices=[schema.Device(name="a", table=table, tags=scanned)],
        machines=[
            schema.Machine(
                name=name,
                bundle=bundle_of(manifest),
                inputs=inputs,
                mode="advisory",
                result=None,
                alarm=schema.Alarms(priority=PriorityTable(alarm="urgent", warning="low")),
            )
            for name in machines
        ],
    )


def parts_of(config: Config) -> Any:
    written, verdict = dict.fromkeys(Written, 0), Verdict(state=State.STARTING, reason=Reason.WARMING_UP)
    machines = [SimpleNamespace(name=m.name, written=written, verdict=verdict) for m in config.machines]
    return SimpleNamespace(config=config, machines=machines)


def table(port: int, **changes: Any) -> MqttTable:
    return MqttTable(
        **{"host": "127.0.0.1", "port": port, "group": "plant", "node": "gw", "tls": False} | changes
    )


@contextlib.asynccontextmanager
async def telling(config: Config, mqtt: MqttTable, parts: Any = None) -> AsyncIterator[Publisher]:
    """A publisher for the length of a with block."""
    built = [parts or parts_of(config)]
    made = Publisher(mqtt, Path(config.state), lambda: built[0])
    made.parts = built  # type: ignore[attr-defined] # for tests that change them
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def quickly(seconds: float = 0.05) -> Iterator[None]:
    """Let the publisher look and connect more often than it would."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TURN", "COUNTERS_EVERY", "LOOK"):
            patch.setattr(publisher, name, seconds)
        for name in ("FIRST_WAIT", "LONGEST_WAIT"):
            patch.setattr(connection, name, seconds)
        patch.setattr(connection, "DEADLINE", 2.0)
        yield
