"""Scans, devices and machines in virtual time. Only the model is computed here instead of in a child."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import dense_model
import numpy as np
from dense_model import limited
from memory_driver import MemoryDriver, tag

from edge_agent.app import App
from edge_agent.asking import ScanClass
from edge_agent.build import Parts
from edge_agent.bundle import Bundle
from edge_agent.config import Config, schema
from edge_agent.core.manifest import Manifest
from edge_agent.core.resultblock import FIELDS
from edge_agent.core.tags import Reason
from edge_agent.device import Device
from edge_agent.historian import Historian
from edge_agent.inference.host import ModelHost
from edge_agent.links import Links
from edge_agent.machine import Machine, Wiring
from edge_agent.running import Running
from edge_agent.scan import Scan
from edge_agent.table import STALE, Table

NAMES = [i.name for i in dense_model.MANIFEST.inputs]
GOOD = dict(zip(NAMES, dense_model.OFFSET, strict=True))
OUTPUT_NAMES = [name for name, _, _ in FIELDS]


def manifest(**changes: Any) -> Manifest:
    return dense_model.manifest(**{"period": 0.1, "max_gap": 0.0, "outputs": limited(None), **changes})


def bundle_of(manifest: Manifest) -> Bundle:
    nothing = dense_model.known(np.empty((0, 4, 4)), np.empty((0, 1)))
    return Bundle(manifest, b"", nothing, "ab" * 32)


class FormulaModel:
    """Answers as the dense model would, or what `answer` says; late by `delay` seconds."""

    hurried = True

    def __init__(self, manifest: Manifest) -> None:
        self.bundle = bundle_of(manifest)
        self.answer: Callable[[Any], Any] = dense_model.expected
        self.delay = 0.0
        self.batches: list[int] = []

    async def ask(self, rows: Any) -> Any:
        self.batches.append(len(rows))
        await asyncio.sleep(self.delay)
        answer = self.answer(rows)
        return answer if isinstance(answer, Reason) else np.asarray(answer, np.float32)


class NoDisk(Historian):
    """Keeps nothing, and says so at once: virtual time would run ahead of a writer's thread."""

    async def _committed(self) -> bool | None:
        return None


class Site:
    """Devices by name, all with the tags of the dense bundle, and machines on them; one scan."""

    def __init__(self, spawner: asyncio.TaskGroup, devices: str = "a", period: float = 0.1) -> None:
        self.spawner = spawner
        self.drivers = {d: MemoryDriver({f"{d}.{n}": v for n, v in GOOD.items()}) for d in devices}
        self.devices = {name: Device(name, driver) for name, driver in self.drivers.items()}
        self.table = Table(np.full(4 * len(devices), int(STALE * period * 1e9), np.int64))
        self.scan = Scan(period, self.table, spawner)
        self.historian = NoDisk(Path("nowhere"))
        self.wirings: list[Wiring] = []
        for i, (name, device) in enumerate(self.devices.items()):
            plan = device.plan([tag(f"{name}.{n}") for n in NAMES])
            self.scan.classes.append(ScanClass(device, plan, slice(4 * i, 4 * i + 4)))

    def machine(self, name: str, reads: str, writes: str, model: FormulaModel, **changes: Any) -> Machine:
        outputs = [tag(f"{writes}.{name}.{field}") for field in OUTPUT_NAMES]
        self.drivers[writes].values |= {output.name: 0.0 for output in outputs}
        config = schema.Machine(
            name=name,
            bundle=model.bundle,
            inputs=[f"{reads}.{n}" for n in NAMES],
            constants=changes.get("constants", ()),
            mode=changes.get("mode", "advisory"),
            permit=changes.get("permit"),
            result=schema.Result(device=writes, outputs=outputs, heartbeat=1.0),
            gate=changes.get("gate"),
            outside=changes.get("outside", "inhibit"),
            alarm=changes.get("alarm", schema.Alarms()),
        )
        first = 4 * list(self.devices).index(reads)
        rows = {f"{reads}.{n}": first + i for i, n in enumerate(NAMES)}
        declared = self.devices[writes].declare(outputs)
        historian = changes.get("historian", self.historian)
        wiring = Wiring(
            rows,
            declared,
            changes.get("following"),
            changes.get("stopped", lambda: False),
            changes.get("sources", ()),
        )
        self.wirings.append(wiring)
        machine = Machine(config, model, historian, wiring)  # type: ignore[arg-type]
        self.scan.add(machine, model, [source.machine for source in wiring.sources])  # type: ignore[arg-type]
        return machine

    def start(self) -> None:
        for device in self.devices.values():
            self.spawner.create_task(device.run())

    async def begin(self, seconds: float = 2.05) -> None:
        """Connect and scan until the windows are full."""
        self.start()
        self._scanning = self.spawner.create_task(self.scan.run())
        await asyncio.sleep(seconds)

    async def end(self) -> None:
        """Stop the scan as the agent does."""
        self.scan.stop()
        await self._scanning

    async def run(self, seconds: float) -> None:
        """Scan for a while, then stop the scan as the agent does."""
        running = self.spawner.create_task(self.scan.run())
        await asyncio.sleep(seconds)
        self.scan.stop()
        await running


class _End(Exception):
    pass


async def _end() -> None:
    raise _End


@contextlib.asynccontextmanager
async def site(devices: str = "a", period: float = 0.1) -> AsyncIterator[Site]:
    try:
        async with asyncio.TaskGroup() as group:
            built = Site(group, devices, period)
            yield built
            group.create_task(_end())
    except* _End:
        pass


def frames(driver: MemoryDriver, machine: str) -> list[tuple[float, dict[str, float]]]:
    """Every result block that was sent, by field, with its time."""
    sent = []
    for at, values in driver.writes:
        block = {
            name.rpartition(".")[2]: value for name, value in values.items() if name.split(".")[1] == machine
        }
        if block:
            assert list(block) == OUTPUT_NAMES
            assert block["sequence"] == block["sequence_again"]
            assert math.isnan(block["score"]) == (block["reason"] != Reason.NONE)
            sent.append((at, block))
    return sent


class Beating:
    """An agent's heartbeat task over a site, without its sockets and signals."""

    def __init__(self, s: Site, machine: Machine, folder: Path, *models: ModelHost) -> None:
        config = Config(name="t", state=str(folder), devices=[], machines=[])
        self.app, self.machine = App(config), machine
        running = Running(config, s.historian, s.spawner)
        devices = list(s.devices.values())
        running.parts = Parts(config, Links(), devices, [*models], [machine], [s.scan], s.table, {})
        s.spawner.create_task(self.app._beat(running, s.spawner))
