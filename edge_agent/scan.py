"""The tick and the cycle: read inputs, freeze the image, think, write outputs, wait for the tick."""

import asyncio
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.asking import Asking, ScanClass, Spawner, until
from edge_agent.core.histogram import Histogram
from edge_agent.core.tags import Columns, Reason
from edge_agent.device import Device
from edge_agent.history.track import Track
from edge_agent.inference.host import ModelHost
from edge_agent.machine import Machine
from edge_agent.moment import Suspend
from edge_agent.table import Table

log = logging.getLogger(__name__)

WAIT = 0.4
"""Share of the period that a cycle waits for healthy devices. One that is late then is used next time."""
STOP_DEADLINE = 3.0
"""Seconds that a scan waits at its end for what is still under way."""


@dataclass(slots=True)
class Group:
    """The machines of one scan that share a model, and so one batch."""

    model: ModelHost
    machines: list[Machine]
    after: "list[Group]"
    """Groups whose results these machines use: they think before."""
    thinking: "asyncio.Task[None] | None" = None
    began: float = 0.0

    @property
    def thinking_since(self) -> float:
        """When it began to think, the loop's time; infinite while it does not."""
        return math.inf if self.thinking is None or self.thinking.done() else self.began


class Scan:
    """All that happens every `period` seconds."""

    def __init__(self, period: float, table: Table, spawner: Spawner) -> None:
        self.period = period
        self.classes: list[ScanClass] = []
        self.groups: list[Group] = []
        self.table, self._spawner = table, spawner
        self._asking: Asking | None = None
        self.track: Track | None = None
        """Where the flight recorder gets the images of this scan."""
        self._stopping = False
        self._sleep: asyncio.Future[None] | None = None
        self._successor: Scan | None = None
        self._adopted = asyncio.Event()
        self.cycles = self.overruns = 0
        self._suspend, self._asleep = Suspend(), 0
        self.took, self.late = Histogram(), Histogram()
        """How long cycles take, and how long after their tick they begin."""
        self.began_at = self.finished_at = 0.0
        """When the latest cycle began and ended that has ended, the loop's time."""

    def add(self, machine: Machine, model: ModelHost, after: Sequence[Machine] = ()) -> None:
        """Let a machine think in this scan, by the model that is the machine's once it is settled.

        `after` are the machines whose results it uses, which were added before.
        """
        before = [g for g in self.groups if any(m in g.machines for m in after)]
        for group in self.groups:
            if group.model is model and group.after == before:
                group.machines.append(machine)
                return
        self.groups.append(Group(model, [machine], before))

    async def adopt(self, successor: "Scan") -> None:
        """Go on with the table, classes and machines of another scan of the same period.

        Returns once that is so, between two cycles; no tick is lost. `successor` never runs itself.
        """
        self._successor = successor
        self._adopted.clear()
        if self._sleep is not None and not self._sleep.done():
            self._succeed()
        await self._adopted.wait()

    def _succeed(self) -> None:
        """Take over from the successor, unless a machine still thinks: its model's deadline bounds that."""
        if self._successor is None or any(g.thinking and not g.thinking.done() for g in self.groups):
            return
        self.table, self.classes, self._asking = self._successor.table, self._successor.classes, None
        if self.track:
            self.track.end()
        self.groups, self.track = self._successor.groups, self._successor.track
        self._successor = None
        for group in self.groups:
            for machine in group.machines:
                machine.settle()
        self._adopted.set()

    async def run(self) -> None:
        """Cycle until `stop`. A tick that was missed is skipped and counted; the phase is kept."""
        loop = asyncio.get_running_loop()
        start, tick = loop.time(), 0
        # uvloop's time stands still while a callback runs, and has whole milliseconds.
        started = time.perf_counter()
        self.finished_at = start
        while not self._stopping:
            tick_began = loop.time()
            began = time.perf_counter()
            self.late.observe(max(0.0, began - started - tick * self.period))
            await self._cycle(tick, start + (tick + WAIT) * self.period)
            self.cycles += 1
            self.began_at, self.finished_at = tick_began, loop.time()
            self.took.observe(time.perf_counter() - began)
            due = tick + 1
            # A cycle that ends within a tenth of a period of its tick still serves that tick.
            tick = max(due, int((self.finished_at - start) / self.period + 0.9))
            self.overruns += tick - due
            await self._sleep_until(start + tick * self.period)
        unfinished = [group.thinking for group in self.groups if group.thinking is not None]
        if unfinished:
            await asyncio.wait(unfinished, timeout=STOP_DEADLINE)
        if self.track:
            self.track.end()

    def reading_since(self, moment: float) -> Iterator[Device]:
        """Yield the devices whose present read began before a moment of the loop's time."""
        return self._asking.reading_since(moment) if self._asking else iter(())

    def stop(self) -> None:
        """Make `run` return after the cycle it is in."""
        self._stopping = True
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)

    async def _cycle(self, tick: int, read_until: float) -> None:
        self._succeed()
        if self._asking is None:
            self._asking = Asking(self.classes, self.table, self._spawner)
        self._wake(self._asking)
        await self._asking.read(read_until)
        self._wake(self._asking)
        tick += self._asleep
        now, wall = _now(), time.time_ns()
        image = self.table.image(now)
        if self.track:
            self.track.cycle(tick, now, wall, image)
        thinking = []
        for group in self.groups:
            if group.thinking is None or group.thinking.done():
                group.began = now / 1e9
                group.thinking = self._spawner.create_task(self._in_turn(group, tick, image, now, wall / 1e9))
                thinking.append(group.thinking)
        if thinking:
            await asyncio.wait(thinking, timeout=WAIT * self.period)

    def _wake(self, asking: Asking) -> None:
        """Count what the box slept as ticks that were missed: what lies before and after is not adjacent."""
        if slept := self._suspend.since():
            self._asleep += math.ceil(slept / 1e9 / self.period)
            self.table.wake(_now())
            asking.forget()

    async def _in_turn(self, group: Group, tick: int, image: Columns, now: int, wall: float) -> None:
        """Think after those whose results are used, or without those that are late."""
        before = [g.thinking for g in group.after if g.thinking is not None]
        if before:
            await asyncio.wait(before, timeout=WAIT * self.period)
        await self.think(group.machines, tick, image, now, wall)

    async def think(self, machines: list[Machine], tick: int, image: Columns, now: int, wall: float) -> None:
        """Take, ask the one model that these machines share in one batch, judge, write."""
        asked = [machine.take(tick, image, now, wall) for machine in machines]
        full = [window for window in asked if window is not None]
        answers = await machines[0].model.ask(np.stack(full)) if full else Reason.NONE
        row = 0
        for machine, window in zip(machines, asked, strict=True):
            if window is None:
                machine.judge(None, now)
            elif isinstance(answers, Reason):
                machine.judge(answers, now)
            else:
                machine.judge(answers[row].reshape(-1), now)
                row += 1
        if self.track:
            self.track.thought(
                tick, machines[0].name, answers if isinstance(answers, Reason) else Reason.NONE
            )
        # A PLC that takes no answer holds up its own machine's next frame, and no other machine.
        writes = [self._spawner.create_task(machine.finish(now)) for machine in machines]
        await asyncio.wait(writes, timeout=WAIT * self.period)
        # Nobody waits for the reasons of an alarm before the alarm is told.
        for machine in machines:
            await machine.explain()

    async def _sleep_until(self, time: float) -> None:
        if self._stopping:
            return
        self._sleep = asyncio.get_running_loop().create_future()
        await until(self._sleep, time)


def _now() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)
