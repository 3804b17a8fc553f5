"""The parts of an agent and the tasks that run them: started, changed while running, stopped in order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from edge_agent.asking import Spawner
from edge_agent.build import build, host_of
from edge_agent.bundle import Bundle
from edge_agent.config import Config
from edge_agent.device import Device
from edge_agent.historian import Historian
from edge_agent.inference.host import ModelHost
from edge_agent.inference.process import InferenceFailed, InferenceLate
from edge_agent.machine import Machine
from edge_agent.scan import Scan

log = logging.getLogger(__name__)

STOP_DEADLINE = 5.0
"""Seconds for the last cycle to end, and again for the stop values to reach the PLCs."""

FALL_BACK_DEADLINE = 2.0
"""Seconds for the fallbacks of outputs to reach the PLCs before that."""


class ModelRefused(Exception):
    """A model that is new cannot be proven on this box. If it was `late`, the box may only have been busy."""

    def __init__(self, bundle: Bundle, why: InferenceFailed) -> None:
        super().__init__(f"bundle {bundle.manifest.name} {bundle.manifest.version}: {why}")
        self.bundle = bundle
        self.late = isinstance(why, InferenceLate)


class Running:
    """An agent's parts under way. A bug in any of their tasks ends `spawner`'s group, and so the process."""

    def __init__(self, config: Config, historian: Historian, spawner: Spawner) -> None:
        self._historian, self._spawner = historian, spawner
        self._tasks: dict[Scan | Device | ModelHost, asyncio.Task[None]] = {}
        self.parts = build(config, historian, spawner)

    def start(self) -> None:
        """Start what does not run yet."""
        parts: list[Scan | Device | ModelHost] = [*self.parts.scans, *self.parts.devices, *self.parts.hosts]
        for part in parts:
            if part not in self._tasks:
                self._tasks[part] = self._spawner.create_task(part.run())

    async def change(self, config: Config) -> None:
        """Run by another configuration from the next cycles on.

        What is the same in both goes on undisturbed. New models are proven before anything changes, and raise
        `ModelRefused`. Machines that are no more say OFF to their PLC.
        """
        before = self.parts
        proven = await self._proven(config)
        after = build(
            config, self._historian, self._spawner, replace(before, models=[*before.models, *proven])
        )
        old = {scan.period: scan for scan in before.scans}
        scans = []
        for scan in after.scans:
            if scan.period in old:
                await old[scan.period].adopt(scan)
                scans.append(old.pop(scan.period))
            else:
                scans.append(scan)
        self.parts = replace(after, scans=scans)
        self.start()
        for gone in old.values():
            gone.stop()
        await self._wait([self._tasks.pop(scan) for scan in old.values()])
        taken_over = [machine.block for machine in after.machines]
        await _say_off([m for m in before.machines if m not in after.machines and m.block not in taken_over])
        for device in after.devices:
            if device in before.devices:
                await device.settle()
        await self._end_unused()

    async def stop(self) -> None:
        """End the last cycle, then write the stop values. All have a deadline."""
        for scan in self.parts.scans:
            scan.stop()
        await self._wait([self._tasks[scan] for scan in self.parts.scans])
        # While the result block still says whose the outputs are: after OFF they are the PLC's.
        await _each(self.parts.machines, Machine.fall_back, "fallbacks", FALL_BACK_DEADLINE)
        await _say_off(self.parts.machines)

    async def close(self) -> None:
        """Close children and connections."""
        for model in self.parts.hosts:
            model.close()
        for device in self.parts.devices:
            await device.close()

    async def _proven(self, config: Config) -> list[ModelHost]:
        """Start and prove the models that do not run yet. Raises `ModelRefused`; then none is left behind."""
        known = {model.bundle.sha256 for model in self.parts.hosts if model.pid is not None}
        wanted = {m.bundle.sha256: m.bundle for m in config.machines if not m.bundle.absent}
        hosts = [host_of(bundle) for sha256, bundle in wanted.items() if sha256 not in known]
        for host in hosts:
            try:
                await host.warm()
            except InferenceFailed as error:
                for other in hosts:
                    other.close()
                raise ModelRefused(host.bundle, error) from None
        return hosts

    async def _wait(self, tasks: list[asyncio.Task[None]]) -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_DEADLINE)

    async def _end_unused(self) -> None:
        used = {*self.parts.scans, *self.parts.devices, *self.parts.hosts}
        for part in [part for part in self._tasks if part not in used]:
            task = self._tasks.pop(part)
            task.cancel()
            await asyncio.wait([task], timeout=STOP_DEADLINE)
            if isinstance(part, ModelHost):
                part.close()
            elif isinstance(part, Device):
                await part.close()


async def _say_off(machines: list[Machine]) -> None:
    await _each(machines, Machine.stop, "stop values", STOP_DEADLINE)


async def _each(
    machines: list[Machine], what: Callable[[Machine, int], Awaitable[None]], name: str, seconds: float
) -> None:
    now = int(asyncio.get_running_loop().time() * 1e9)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(what(machine, now) for machine in machines))
    except TimeoutError:
        log.warning("the %s did not reach every PLC within %g s", name, seconds)
