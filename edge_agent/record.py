"""Tags into a CSV file: what a model is trained on is read by the very code that will feed it."""

import asyncio
import csv
import math
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edge_agent.commission import select, wall
from edge_agent.config import Config
from edge_agent.core.tags import Tag
from edge_agent.drivers.opcua.address import NodeAddress
from edge_agent.sampling import Tick, sampling, shortest

FLUSH = 1.0
"""Seconds after which a row is in the file, whatever becomes of this process."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded. `missed` ticks have no row, `holes` are cells that are empty because BAD."""

    file: str
    rows: int
    missed: int
    holes: int

    def text(self) -> str:
        """One line for a person."""
        return f"{self.file}: {self.rows} rows, {self.missed} ticks missed, {self.holes} empty cells"


def record(
    config: Config, names: Sequence[str], out: Path, seconds: float | None, *, times: bool = False
) -> Recorded:
    """Write one row a tick of the shortest scan, for `seconds` or until SIGINT or SIGTERM.

    The first column is ``time``, ISO 8601 in UTC. A value that is BAD is an empty cell. With `times` the last
    columns are ``TAG@source`` and ``TAG@server`` of each tag with such times: when each had the value. Raises
    OSError; a file that exists is not written to. Raises `CommissionError` for a tag that is not there.
    """
    return asyncio.run(_record(select(config, names), out, seconds, times=times))


async def _record(config: Config, out: Path, seconds: float | None, *, times: bool) -> Recorded:
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    rows = missed = holes = 0
    with out.open("x", newline="", encoding="utf-8") as file:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, me.cancel)
        writer = csv.writer(file)
        try:
            async with asyncio.timeout(seconds), sampling(config, shortest(config)) as sampler:
                timed = [row for row, tag in enumerate(sampler.tags) if times and _has_times(tag)]
                stamps = [f"{sampler.tags[row].name}@{who}" for row in timed for who in ("source", "server")]
                writer.writerow(["time", *(tag.name for tag in sampler.tags), *stamps])
                flushed = loop.time()
                async for tick in sampler.ticks():
                    row = cells(tick)
                    writer.writerow([_now(), *row, *_stamps(tick, timed)])
                    rows, missed, holes = rows + 1, missed + tick.missed, holes + row.count("")
                    if loop.time() - flushed >= FLUSH:
                        file.flush()
                        flushed = loop.time()
        except (TimeoutError, asyncio.CancelledError):
            pass  # that is how it ends
    return Recorded(file=str(out), rows=rows, missed=missed, holes=holes)


def cells(tick: Tick) -> list[str]:
    """Return the values of one row as text: empty where BAD, with every digit else."""
    exact = tick.columns.exact
    return [_cell(value, exact.get(row)) for row, value in enumerate(tick.columns.value.tolist())]


def _cell(value: float, exact: int | str | None) -> str:
    if math.isnan(value):
        return ""
    return repr(value).removesuffix(".0") if exact is None else str(exact)


def _has_times(tag: Tag) -> bool:
    return isinstance(tag.address, NodeAddress)


def _stamps(tick: Tick, rows: Sequence[int]) -> list[str]:
    samples = [tick.columns[row] for row in rows]
    return [wall(time) for sample in samples for time in (sample.source, sample.server)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
