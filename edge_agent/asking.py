"""The half of a scan that reads: all devices are asked at once, and what they answer is gathered together.

Wake-ups and tasks are what polling costs, not bytes. So a device that needs no task of its own gets none, and
what has come when the cycle goes on is decoded in one go.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from edge_agent.core.tags import Reason
from edge_agent.device import Device
from edge_agent.table import Table


class Spawner(Protocol):
    """Where tasks live: an `asyncio.TaskGroup`, so that a bug in any of them ends the process."""

    def create_task(self, coro: Coroutine[Any, Any, None], /) -> "asyncio.Task[None]":
        """Start a task."""
        ...


@dataclass(frozen=True, slots=True)
class ScanClass:
    """The tags of one device with one period: `rows` is where they stand in the table."""

    device: Device
    plan: Any
    rows: slice


class _Asked:
    """A scan class and how it stands with it: `busy` until its read ends, `waited` for by the cycle.

    It was asked at `asked`, the loop's time; it is `old` if the box slept since. Its columns are taken as
    the `number` of those that are `gathered`, if they can be.
    """

    __slots__ = ("asked", "busy", "ended", "gathered", "number", "of", "old", "waited")

    def __init__(self, of: ScanClass, ended: Callable[["_Asked", Reason], None]) -> None:
        self.of = of
        self.busy = self.waited = self.old = False
        self.asked = 0.0
        self.ended: Callable[[Reason], None] = partial(ended, self)
        self.gathered: _Gathered | None = None
        self.number = 0


class _Gathered:
    """Scan classes whose columns are taken together; those that are whole, by number, since when."""

    def __init__(self, asked: Sequence[_Asked]) -> None:
        first = asked[0].of.device.gather
        assert first is not None, "its reads are not begun"
        self._gather = first([one.of.plan for one in asked])
        self._rows = [one.of.rows for one in asked]
        self.whole: dict[int, int] = {}
        for number, one in enumerate(asked):
            one.gathered, one.number = self, number

    def put(self, table: Table) -> None:
        """Decode what is whole."""
        if self.whole:
            numbers = sorted(self.whole)
            columns = self._gather(numbers, [self.whole[n] for n in numbers])
            table.put_all([self._rows[n] for n in numbers], columns)
            self.whole.clear()


class Asking:
    """Reads scan classes into a table, once a cycle."""

    def __init__(self, classes: Sequence[ScanClass], table: Table, spawner: Spawner) -> None:
        self._table, self._spawner = table, spawner
        self._time = asyncio.get_running_loop().time
        self._asked = [_Asked(one, self._ended) for one in classes]
        self._gathered: list[_Gathered] = []
        alike: dict[Any, list[_Asked]] = {}
        for one in self._asked:
            if one.of.device.gather is not None:
                alike.setdefault(one.of.device.gather, []).append(one)
        self._gathered += map(_Gathered, alike.values())
        self._open = 0
        self._all: asyncio.Future[None] | None = None

    async def read(self, deadline: float) -> None:
        """Ask every device; wait for those that answered last time, then ask those that did not.

        So a silent device takes no time from the others. Waits until `deadline` at most, of the event loop's
        clock. What comes later is in the table then.
        """
        due = [one for one in self._asked if not one.busy]
        silent = []
        for one in due:
            one.waited = one.of.device.healthy is not False
            if one.waited:
                self._open += 1
                self._begin(one)
            else:
                silent.append(one)
        if self._open:
            self._all = asyncio.get_running_loop().create_future()
            await until(self._all, deadline)
        if self._open:
            self._open = 0
            for one in self._asked:
                one.waited = False
        for gathered in self._gathered:
            gathered.put(self._table)
        for one in silent:
            self._begin(one)

    def reading_since(self, moment: float) -> Iterator[Device]:
        """Yield the devices whose present read began before a moment of the loop's time."""
        return (one.of.device for one in self._asked if one.busy and one.asked < moment)

    def forget(self) -> None:
        """Use nothing that was asked for until now, also what comes later."""
        for one in self._asked:
            self._table.spoil(one.of.rows, Reason.STALE, _now())
            one.old = one.busy

    def _begin(self, one: _Asked) -> None:
        one.busy, one.old, one.asked = True, False, self._time()
        if not one.of.device.begin(one.of.plan, one.ended):
            self._spawner.create_task(self._fetch(one))

    async def _fetch(self, one: _Asked) -> None:
        rows = one.of.rows
        columns = await one.of.device.read(one.of.plan, rows.stop - rows.start)
        if not one.old:
            self._table.put(rows, columns)
        self._close(one)

    def _ended(self, one: _Asked, reason: Reason) -> None:
        if reason or one.old:
            self._table.spoil(one.of.rows, reason or Reason.STALE, _now())
        elif one.waited and one.gathered:
            one.gathered.whole[one.number] = time.monotonic_ns()
        else:
            self._table.put(one.of.rows, one.of.device.columns(one.of.plan))
        self._close(one)

    def _close(self, one: _Asked) -> None:
        one.busy = False
        if one.waited:
            one.waited = False
            self._open -= 1
            if not self._open and self._all is not None and not self._all.done():
                self._all.set_result(None)


async def until(future: "asyncio.Future[None]", deadline: float) -> None:
    """Wait for a future, but not longer than until `deadline` of the event loop's clock."""
    handle = asyncio.get_running_loop().call_at(deadline, _wake, future)
    try:
        await future
    finally:
        handle.cancel()


def _now() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
