"""Replays a recording through a configuration and writes down what the agent would have done."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from edge_agent.config import Config
from edge_agent.config.fields import nearest
from edge_agent.core.tags import Tag
from edge_agent.replaying.columns import AS_THEY_ARE, Named
from edge_agent.replaying.flight import Flight, is_flight
from edge_agent.replaying.moment import Moment
from edge_agent.replaying.play import Cycle, player
from edge_agent.replaying.recording import RecordingError
from edge_agent.replaying.rows import Rows, writing
from edge_agent.replaying.timeline import Table


class Source(Protocol):
    """Where moments come from: in one or several lives of an agent, each from its start.

    `names` are the tags that it has, `skipped` counts the ticks of long holes that were not played.
    """

    lives: list[str]
    names: set[str]
    skipped: int

    def chunks(self, life: str, period: float, tags: Sequence[Tag]) -> Iterator[list[Moment]]:
        """Yield what the scan of `period` seconds took; an image has a row for each of `tags`."""
        ...


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a replay.

    `skipped` ticks were the far end of holes, `absent` tags are not in the recording and were BAD
    throughout, `alarms` are how often one was raised. `foreign`: another configuration made the recording.
    """

    out: str
    cycles: int
    results: int
    alarms: int
    skipped: int
    absent: list[str]
    foreign: bool
    seconds: float

    def text(self) -> str:
        """Say it to a person."""
        lines = [
            f"{self.out}: {self.cycles} cycles, {self.results} with a result, {self.alarms} alarms raised",
            f"{60 * self.cycles / self.seconds:,.0f} cycles a minute",
        ]
        if self.skipped:
            lines.append(f"{self.skipped} ticks in long holes of the recording were not played")
        if self.foreign:
            lines.append("recorded under another configuration than this one: results may differ")
        if self.absent:
            lines.append(f"not in the recording, and so BAD: {', '.join(self.absent)}")
        return "\n".join(lines)


def replay(
    config: Config, data: Path, out: Path, named: Named = AS_THEY_ARE, *, rows_are_ticks: bool = False
) -> Replayed:
    """Replay `data` and write `out`. With `rows_are_ticks` each row is the next tick, whatever its time.

    Raises `RecordingError`, `InferenceFailed` and OSError.
    """
    source = Flight(data) if is_flight(data) else Table(config, data, named, rows_are_ticks=rows_are_ticks)
    return asyncio.run(_replay(config, source, out))


def only(config: Config, name: str) -> Config:
    """Return the configuration with one of its machines. Raises `RecordingError` if it has no such."""
    machines = [machine for machine in config.machines if machine.name == name]
    if not machines:
        hint = nearest(name, [machine.name for machine in config.machines])
        raise RecordingError(f"--machine {name}: there is no such machine; {hint}")
    return msgspec.structs.replace(config, machines=machines)


async def _replay(config: Config, source: Source, out: Path) -> Replayed:
    rows, count, started = Rows(config), _Count(), time.monotonic()
    with writing(out, rows.columns) as write:

        def take(cycle: Cycle) -> None:
            count.take(cycle)
            write(rows.row(cycle))

        for life in source.lives:
            async with player(config) as ready:
                for scan in ready.scans:
                    await ready.play(scan, source.chunks(life, scan.period, ready.tags), take)
    tags = [entry.tag.name for device in config.devices for entry in device.tags]
    return Replayed(
        out=str(out),
        cycles=count.cycles,
        results=count.results,
        alarms=count.alarms,
        skipped=source.skipped,
        absent=[name for name in tags if name not in source.names],
        foreign=isinstance(source, Flight) and config.sha256 not in source.configurations,
        seconds=time.monotonic() - started,
    )


class _Count:
    """How many of what."""

    def __init__(self) -> None:
        self.cycles = self.results = self.alarms = 0
        self._raised: dict[tuple[str, str], bool] = {}

    def take(self, cycle: Cycle) -> None:
        """Count one cycle of one machine."""
        self.cycles += 1
        self.results += cycle.verdict.valid
        for reading in cycle.verdict.readings:
            key = (cycle.machine, reading.output)
            self.alarms += reading.alarm and not self._raised.get(key, False)
            self._raised[key] = reading.alarm
