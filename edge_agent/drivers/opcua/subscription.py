"""A scan class by subscription: the server tells what changed, and a slow read checks that it does.

With a keep-alive count of 1 something comes at least every other publishing interval, so that silence is
soon a fault. What a subscription cannot say of itself, that one of its items died, the check read finds: a
value that differs at two checks, with no notification in between.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from asyncua import ua

from edge_agent.core.tags import Nanoseconds, Reason, Tag
from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.address import Monitored
from edge_agent.drivers.opcua.breaking import breaking
from edge_agent.drivers.opcua.encoded import Wanted
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.status import code, name
from edge_agent.drivers.opcua.wire import Publication, Values

LIFETIME = 15.0
"""Seconds without a PublishRequest after which the server forgets the subscription."""
SILENCE = 4
"""Publishing intervals without a word after which, and after the timeout of a request, the link is dead."""
CHECK_ALL = 10.0
"""Seconds in which the check read comes around."""
CHECK_EVERY = 1.0
_NEVER = 86_400.0
"""Seconds between two looks of a server that says even more, or infinity."""
_SLOWER = 1.25
"""So many times slower than was asked for is too slow: what comes of it is told, and counts as older."""
_NO_FILTER = {
    ua.StatusCodes.BadMonitoredItemFilterUnsupported,
    ua.StatusCodes.BadFilterNotAllowed,
    ua.StatusCodes.BadDeadbandFilterInvalid,
    ua.StatusCodes.BadMonitoredItemFilterInvalid,
}


class Subscription:
    """The monitored items of one scan class, published every `period`, in s.

    `wanted` says how each of the nodes of `requests` is looked at, `tags` whose they are.
    """

    def __init__(
        self,
        session: Session,
        requests: Sequence[Wanted],
        wanted: Sequence[Monitored],
        tags: Sequence[Tag],
        *,
        period: float,
        timeout: float,
    ) -> None:
        self._session, self._requests, self._wanted, self._tags = session, requests, list(wanted), tags
        self.period, self._timeout = period, timeout
        self.id = 0
        self.latest = Values()
        self.heard_at = 0
        self._sequence = 0
        self._noted = [0] * len(requests)
        self._polled: list[int] = []
        self._suspects: dict[int, int] = {}
        self._older: Nanoseconds = np.zeros(len(requests), np.int64)
        self._next_check, self._checked = 0.0, 0
        self.stale = False
        """Notifications were lost: what is not read again may be old."""

    async def create(self, complain: Callable[[str], None]) -> None:
        """Create it, and read every value once. Raises `LinkDown`."""
        with breaking(self._session.url):
            made = await self._session.create_subscription(self.period, LIFETIME)
        self.id = made.SubscriptionId
        interval = made.RevisedPublishingInterval / 1000
        if interval > _SLOWER * self.period:
            complain(f"publishes every {interval:g} s, not every {self.period:g} s; use a slower scan")
        results = await self._monitor(range(len(self._requests)))
        self._compare_with_asked(results, complain)
        refused = _refused(results)
        unfiltered = [row for row, status in refused.items() if status in _NO_FILTER]
        if unfiltered:
            complain(f"takes no deadband for {len(unfiltered)} nodes; they tell every change")
            for row in unfiltered:
                self._wanted[row] = replace(self._wanted[row], deadband=0.0)
            refused = {row: status for row, status in refused.items() if row not in unfiltered}
            results = await self._monitor(unfiltered)
            self._compare_with_asked(results, complain)
            refused |= _refused(results)
        self.period = max(self.period, interval)
        self._polled = sorted(refused)
        if refused:
            names = ", ".join(sorted({name(status) for status in refused.values()}))
            complain(f"{len(refused)} nodes cannot be subscribed to and are read instead: {names}")
        await self.refresh()
        self._next_check = time.monotonic() + CHECK_EVERY

    @property
    def at(self) -> Nanoseconds:
        """When each value was right for certain, monotonic, in ns.

        Whoever says nothing says that nothing changed, but only since the server looked last.
        """
        return self.heard_at - self._older

    async def refresh(self) -> None:
        """Read every value. Raises `LinkDown`."""
        self.latest = await self._session.read_values(self._requests)
        self.heard_at, self.stale = time.monotonic_ns(), False

    def hear(self, told: Publication) -> None:
        """Take what the server published. Raises `LinkDown` if it was the last, or of an unknown item."""
        if told.ended is not None:
            text = f"{self._session.url}: the subscription ended: {name(told.ended)}"
            raise LinkDown(text, Reason.NO_LINK)
        if max(told.handles, default=0) >= max(1, len(self._requests)):
            text = f"{self._session.url}: a value of an item that nobody asked for"
            raise LinkDown(text, Reason.BAD_REPLY)
        # A keep-alive has the number of the message that will come next (Part 4, 7.26).
        self.stale |= told.sequence != self._sequence + 1 and self._sequence > 0
        if told.has_data:
            self._sequence = told.sequence
        self.heard_at = now = time.monotonic_ns()
        self._put(told.handles, told.values)
        for row in told.handles:
            self._noted[row] = now

    async def values(self) -> Values:
        """Return the latest value of every node, checked where it is time. Raises `LinkDown`."""
        silent = (time.monotonic_ns() - self.heard_at) / 1e9
        if silent > SILENCE * self.period + self._timeout:
            text = f"{self._session.url}: the subscription has been silent for {silent:.1f} s"
            raise LinkDown(text, Reason.TIMEOUT)
        if self.stale:
            await self.refresh()
        elif time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + CHECK_EVERY
            await self._check()
        if self._polled:
            await self._poll()
        return self.latest

    async def _poll(self) -> None:
        """Read what cannot be subscribed to."""
        read = await self._session.read_values([self._requests[row] for row in self._polled])
        self._put(self._polled, read)

    def _put(self, rows: Sequence[int], told: Values) -> None:
        latest = self.latest
        latest.bits |= told.bits
        columns: list[tuple[list[Any], list[Any]]] = [
            (latest.raw, told.raw),
            (latest.status, told.status),
            (latest.source, told.source),
            (latest.server, told.server),
        ]
        for column, new in columns:
            for row, value in zip(rows, new, strict=True):
                column[row] = value

    async def _monitor(self, rows: Sequence[int]) -> dict[int, ua.MonitoredItemCreateResult]:
        items = [self._item(row) for row in rows]
        return dict(zip(rows, await self._session.monitor(self.id, items), strict=True))

    def _compare_with_asked(
        self, results: Mapping[int, ua.MonitoredItemCreateResult], complain: Callable[[str], None]
    ) -> None:
        """Tell of nodes at which the server looks less often, or of which it keeps less, than was asked."""
        made = {row: result for row, result in results.items() if result.StatusCode.is_good()}
        asked = {row: max(self.period, self._sampling(row)) for row in made}
        revised = {row: min(result.RevisedSamplingInterval / 1000, _NEVER) for row, result in made.items()}
        slow = [row for row in made if revised[row] > _SLOWER * asked[row]]
        for row in slow:
            self._older[row] = round(1e9 * (revised[row] - asked[row]))
        if slow:
            row = max(slow, key=lambda row: revised[row])
            text = f"looks at {self._some(row, slow)} every {revised[row]:g} s, not every {asked[row]:g} s"
            complain(f"{text}: values count as that much older; give such a tag a slower scan")
        short = [row for row, result in made.items() if result.RevisedQueueSize < self._wanted[row].queue]
        if short:
            kept, queue = made[short[0]].RevisedQueueSize, self._wanted[short[0]].queue
            text = f"keeps {kept} values of {self._some(short[0], short)}, not {queue}"
            complain(f"{text}: of what changes faster than it tells the oldest are lost")

    def _some(self, row: int, rows: Sequence[int]) -> str:
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        return f"{self._tags[row].name} ({self._tags[row].address}){more}"

    def _sampling(self, row: int) -> float:
        sampling = self._wanted[row].sampling
        return self.period if sampling is None else sampling

    def _item(self, row: int) -> ua.MonitoredItemCreateRequest:
        item = self._wanted[row]
        # An image takes one value a cycle: of a longer queue that is the newest, the last to be told.
        wanted: dict[str, Any] = {
            "ClientHandle": row,
            "SamplingInterval": self._sampling(row) * 1000,
            "QueueSize": item.queue,
            "DiscardOldest": True,
        }
        if item.deadband:
            wanted["Filter"] = ua.DataChangeFilter(
                Trigger=ua.DataChangeTrigger.StatusValue,
                DeadbandType=ua.DeadbandType.Absolute,
                DeadbandValue=item.deadband,
            )
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=attribute(self._requests[row].node),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(**wanted),
        )

    async def _check(self) -> None:
        """Read the next slice and compare. Raises `LinkDown` if an item is dead."""
        n = len(self._requests)
        rows = range(self._checked, min(n, self._checked + math.ceil(n * CHECK_EVERY / CHECK_ALL)))
        self._checked = rows.stop % n if n else 0
        read = await self._session.read_values(self._requests[rows.start : rows.stop])
        for i, row in enumerate(rows):
            if self._same(row, read.raw[i], read.status[i]):
                self._suspects.pop(row, None)
            elif self._suspects.get(row) == self._noted[row]:
                node = self._requests[row].node.to_string()
                text = f"{self._session.url}: {node} changes and the subscription does not tell"
                raise LinkDown(text, Reason.BAD_REPLY)
            else:
                self._suspects[row] = self._noted[row]

    def _same(self, row: int, raw: Any, status: int) -> bool:
        told = self.latest.raw[row]
        if code(status) != code(self.latest.status[row]):
            return False
        if isinstance(raw, int | float) and isinstance(told, int | float):
            return abs(raw - told) <= self._wanted[row].deadband or (raw != raw and told != told)  # noqa: PLR0124 - NaN
        return bool(told == raw)


def _refused(results: Mapping[int, ua.MonitoredItemCreateResult]) -> dict[int, int]:
    return {row: result.StatusCode.value for row, result in results.items() if result.StatusCode.is_bad()}
