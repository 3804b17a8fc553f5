"""A device in memory for tests in virtual time: it can be absent, silent, slow, refuse, or lie."""

import asyncio
import math
from collections.abc import Callable, Sequence

import numpy as np

from edge_agent.core.tags import Columns, Grader, Reason, Tag
from edge_agent.drivers import LinkDown, Refused

TIMEOUT = 0.5


class MemoryDriver:
    """Values by tag name; a name that is missing is refused, as an exception code would."""

    def __init__(self, values: dict[str, float] | None = None) -> None:
        self.values = values or {}
        self.absent = self.silent = self.refuses = self.distrusts = False
        self.delay = 0.0
        self.tamper: dict[str, float] = {}
        self.connected = False
        self.connects: list[float] = []
        self.reads: list[float] = []
        self.writes: list[tuple[float, dict[str, float]]] = []
        self.closes = 0
        self.on_lost: Callable[[LinkDown], None] | None = None
        self._busy = False

    def plan_read(self, tags: Sequence[Tag]) -> tuple[Tag, ...]:
        return tuple(tags)

    def plan_write(self, tags: Sequence[Tag]) -> tuple[Tag, ...]:
        return tuple(tags)

    async def connect(self) -> None:
        self.connects.append(now())
        self._mine()
        try:
            if self.absent:
                raise LinkDown("Connection refused")
            if self.distrusts:
                raise LinkDown("certificate refused", patience=60)
            self.connected = True
        finally:
            self._busy = False

    async def read(self, plan: tuple[Tag, ...]) -> Columns:
        self.reads.append(now())
        await self._exchange()
        raw = np.array([self.values.get(tag.name, 0.0) for tag in plan])
        known = [tag.name in self.values for tag in plan]
        reason = np.where(known, Reason.NONE, Reason.DEVICE_REFUSED).astype(np.uint8)
        return Grader(list(plan)).grade(raw, reason, int(now() * 1e9))

    async def write(self, plan: tuple[Tag, ...], values: Sequence[float]) -> None:
        sent = {tag.name: value for tag, value in zip(plan, values, strict=True)}
        self.writes.append((now(), sent))
        await self._exchange()
        if self.refuses:
            raise Refused("exception 2 (illegal data address)")
        self.values.update(sent)
        self.values.update(self.tamper)

    async def close(self) -> None:
        self.closes += 1
        self.connected = False

    def lose(self) -> None:
        """The other side closes the connection."""
        self.connected = False
        assert self.on_lost is not None
        self.on_lost(LinkDown("closed by the device"))

    async def _exchange(self) -> None:
        if not self.connected:
            raise LinkDown("not connected")
        self._mine()
        try:
            if self.absent:
                raise LinkDown("Connection reset by peer")
            if self.silent or self.delay > TIMEOUT:
                await asyncio.sleep(TIMEOUT)
                raise LinkDown(f"no answer within {TIMEOUT:g} s", Reason.TIMEOUT)
            await asyncio.sleep(self.delay)
        finally:
            self._busy = False

    def _mine(self) -> None:
        assert not self._busy, "two requests in flight"
        self._busy = True


def now() -> float:
    return asyncio.get_running_loop().time()


def tag(name: str, low: float = -math.inf, high: float = math.inf) -> Tag:
    return Tag(name=name, address=name, low=low, high=high)
