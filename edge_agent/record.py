"""Tags into a CSV file: what a model is trained on is read by the very code that will feed it."""

import asyncio
import csv
import math
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

from edge_agent.commission import CommissionError, select, wall
from edge_agent.config import Config
from edge_agent.drivers.opcua.address import NodeAddress
from edge_agent.sampling import Sampler, Tick, sampling, shortest

FLUSH = 1.0
"""Seconds after which a row is in the file, whatever becomes of this process."""
MOST_TOLD = 3
"""Tags whose reasons are told when there is no value at all."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded. `missed` ticks have no row, `holes` are cells that are empty because BAD.

    `silent` are the devices that did not answer at its end.
    """

    file: str
    rows: int
    missed: int
    holes: int
    silent: list[str]

    def text(self) -> str:
        """One line for a person, and one with the devices that do not answer."""
        line = f"{self.file}: {self.rows} rows, {self.missed} ticks missed, {self.holes} empty cells"
        return "\n".join([line, *_silence(self.silent)])


def record(
    config: Config, names: Sequence[str], out: Path, seconds: float | None, more: Sequence[str] = ()
) -> Recorded:
    """Write one row a tick of the shortest scan, for `seconds` or until SIGINT or SIGTERM.

    The first column is ``time``, ISO 8601 in UTC. A value that is BAD is an empty cell. The last columns are
    ``TAG@WHAT`` of each OPC UA tag and of what is in `more`: ``source`` and ``server`` are when each had the
    value, ``said`` is the StatusCode where it is not just Good. The `seconds` begin when every device has
    answered or failed to.

    Raises:
        CommissionError: a tag is not there, or not one value came; then no file is left.
        OSError: the file exists, which is not written to, or cannot be written.
    """
    chosen = select(config, names)
    with out.open("x", newline="", encoding="utf-8") as file:
        rows = Rows(file, more)
        asyncio.run(_rows(chosen, rows, seconds))
    if not rows.values:
        out.unlink()
        raise CommissionError(f"nothing recorded, no file left: {rows.why()}")
    return Recorded(file=str(out), rows=rows.count, missed=rows.missed, holes=rows.holes, silent=rows.silent)


async def _rows(config: Config, rows: "Rows", seconds: float | None) -> None:
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, me.cancel)
    try:
        async with sampling(config, shortest(config)) as sampler:
            rows.begin(sampler)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    async for tick in sampler.ticks():
                        rows.add(tick, loop.time())
    except asyncio.CancelledError:
        pass  # that is how it ends


class Rows:
    """The rows of one recording, and what is in them."""

    def __init__(self, file: TextIO, more: Sequence[str]) -> None:
        self._file, self._writer, self._more = file, csv.writer(file), more
        self._flushed = 0.0
        self._sampler: Sampler | None = None
        self._noted: list[int] = []
        self._last: Tick | None = None
        self.count = self.missed = self.holes = self.values = 0

    def begin(self, sampler: Sampler) -> None:
        """Write the names of the columns."""
        self._sampler = sampler
        self._noted = [row for row, tag in enumerate(sampler.tags) if isinstance(tag.address, NodeAddress)]
        notes = [f"{sampler.tags[row].name}@{what}" for row in self._noted for what in self._more]
        self._writer.writerow(["time", *(tag.name for tag in sampler.tags), *notes])

    def add(self, tick: Tick, now: float) -> None:
        """Write a row; `now` is monotonic, in s."""
        row = cells(tick)
        self._writer.writerow([_now(), *row, *_notes(tick, self._noted, self._more)])
        holes = row.count("")
        self.count, self.missed = self.count + 1, self.missed + tick.missed
        self.holes, self.values = self.holes + holes, self.values + len(row) - holes
        self._last = tick
        if now - self._flushed >= FLUSH:
            self._file.flush()
            self._flushed = now

    @property
    def silent(self) -> list[str]:
        """The devices that do not answer."""
        return self._sampler.silent if self._sampler is not None else []

    def why(self) -> str:
        """Say why there is no value."""
        if self.silent or self._sampler is None or self._last is None:
            return "; ".join(_silence(self.silent)) or "it ended before the first row"
        samples = [self._last.columns[row] for row in range(len(self._sampler.tags))]
        bad = [
            f"{tag.name} {sample.reason.name} {sample.said}".rstrip()
            for tag, sample in zip(self._sampler.tags, samples, strict=True)
        ]
        more = f" and {len(bad) - MOST_TOLD} more" if len(bad) > MOST_TOLD else ""
        return f"every value was BAD: {', '.join(bad[:MOST_TOLD])}{more}"


def _silence(silent: Sequence[str]) -> list[str]:
    return [f"no answer from device {', '.join(silent)}"] if silent else []


def cells(tick: Tick) -> list[str]:
    """Return the values of one row as text: empty where BAD, with every digit else."""
    exact = tick.columns.exact
    return [_cell(value, exact.get(row)) for row, value in enumerate(tick.columns.value.tolist())]


def _cell(value: float, exact: int | str | None) -> str:
    if math.isnan(value):
        return ""
    return repr(value).removesuffix(".0") if exact is None else str(exact)


def _notes(tick: Tick, rows: Sequence[int], more: Sequence[str]) -> list[str]:
    samples = [tick.columns[row] for row in rows] if more else []
    noted = [{"source": wall(s.source), "server": wall(s.server), "said": s.said} for s in samples]
    return [note[what] for note in noted for what in more]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
