"""The Modbus driver of one unit on a link: compiled blocks in, columns out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from edge_agent.core.joint import Joint
from edge_agent.core.readcycle import ReadCycle, address_of
from edge_agent.core.readplan import DEFAULT_LIMITS, Block, Limits
from edge_agent.core.tags import Columns, Tag
from edge_agent.drivers import Gather, LinkDown, Refused
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.carrier import Asked, Carrier, Done, ask
from edge_agent.drivers.modbus.express import Express
from edge_agent.drivers.modbus.link import Link
from edge_agent.drivers.modbus.pdu import DeviceException, Request
from edge_agent.drivers.modbus.reading import Reading, ReadPlan
from edge_agent.drivers.modbus.writing import (
    DEFAULT_HABITS,
    Habits,
    WritePlan,
    is_rewritten,
    plan_write,
    requests,
)


@dataclass(frozen=True, slots=True)
class Plan(ReadPlan):
    """A scan class, and the quick way to read it, which only a link of our own has."""

    express: Express | None = None


class Modbus:
    """The unit number `unit` behind `link`.

    The link has one request in flight, so a write and its read-back may go between two requests of a scan.

    `timeout`, in seconds, is for each answer. `limits` shape the requests, `habits` the writes.
    """

    overlaps: Literal[True] = True

    def __init__(
        self,
        link: Carrier,
        unit: int = 1,
        *,
        timeout: float = 0.5,
        limits: Limits = DEFAULT_LIMITS,
        habits: Habits = DEFAULT_HABITS,
    ) -> None:
        self.link, self.unit, self.timeout = link, unit, timeout
        self.on_lost: Callable[[LinkDown], None] | None = None
        self._limits, self._habits = limits, habits
        self._knock: Request | None = None

    def plan_read(self, tags: Sequence[Tag]) -> Plan:
        """Compile a scan class."""
        cycle = ReadCycle(tags, self._limits)
        if cycle.blocks and self._knock is None:
            first = cycle.blocks[0]
            self._knock = pdu.read(first.table, first.start, 1)
        asked = [pdu.read_block(block) for block in cycle.blocks]
        if not isinstance(self.link, Link):
            return Plan(cycle, asked)
        return Plan(cycle, asked, Express(self.link, self, self.send, self.timeout, ReadPlan(cycle, asked)))

    def plan_write(self, tags: Sequence[Tag]) -> WritePlan:
        """Compile outputs. Neighbours share a frame; what stands between outputs is never written."""
        return plan_write([address_of(tag) for tag in tags], self._habits)

    async def connect(self) -> None:
        """Join the link, which connects it if need be. Raises `LinkDown`.

        A unit that kept silent is asked for one register first: as long as it stays silent it costs the link
        one short request.
        """
        await self.close()
        await self.link.join(self)
        if self._knock is not None and self.link.silent(self.unit):
            try:
                await self.ask(self._knock)
            except DeviceException:
                pass  # it is there
            except LinkDown:
                await self.close()
                raise

    async def read(self, plan: ReadPlan) -> Columns:
        """Read all blocks. What is refused spoils only its own rows."""
        ended: asyncio.Future[LinkDown | None] = asyncio.get_running_loop().create_future()

        def done(error: LinkDown | None) -> None:
            if not ended.done():
                ended.set_result(error)

        reading = Reading(self.send, plan, done, urgent=True)
        reading.begin()
        try:
            error = await ended
        finally:
            reading.give_up()
        if error is not None:
            raise error
        return self.columns(plan)

    def begin(self, plan: Plan, done: Callable[[LinkDown | None], None]) -> None:
        """Read all blocks without a task.

        `done` is called once, perhaps within this call: with None when the plan's cycle has all that its
        `columns` need, or with what broke.
        """
        if plan.express is None or not plan.express.begin(done):
            Reading(self.send, plan, done).begin()

    def columns(self, plan: ReadPlan) -> Columns:
        """Return the columns of a plan that is whole."""
        return plan.cycle.columns(time.monotonic_ns())

    @staticmethod
    def gather(plans: Sequence[ReadPlan]) -> Gather:
        """Compile what takes the columns of many plans at once."""
        return Joint([plan.cycle for plan in plans]).columns

    async def write(self, plan: WritePlan, values: Sequence[float]) -> None:
        """Write raw values, one frame a block. Raises ValueError for a value its type cannot hold."""
        for block, data, mask in zip(plan.blocks, plan.codec.encode(values), plan.masks, strict=True):
            try:
                await self._write(block, data, mask)
            except DeviceException as error:
                raise Refused(f"{block.table} {block.start}, {block.count} words: {error}") from None

    async def _write(self, block: Block, data: bytes, mask: bytes) -> None:
        if is_rewritten(block, mask, self._habits):
            data = pdu.merged(await self.ask(pdu.read_block(block)), data, mask)
        for request in requests(block, data, mask, self._habits):
            await self.ask(request)

    async def ask(self, request: Request) -> bytes:
        """Send a request when it is this unit's turn; its data. Raises `LinkDown`, `DeviceException`."""
        return await ask(partial(self.send, request, urgent=True))

    def send(self, request: Request, done: Done, *, urgent: bool) -> Asked:
        """Send a request when it is this unit's turn; `done` may be called within this call."""
        return self.link.send(self, request, self.timeout, done, urgent=urgent)

    async def close(self) -> None:
        """Leave the link at once. Whoever waits for an answer gets none."""
        self.drop()

    def drop(self) -> None:
        """The same."""
        self.link.leave(self)

    def link_lost(self, error: LinkDown) -> None:
        """Tell whoever wants to know that the link is gone. Whoever waits for an answer knows already."""
        if self.on_lost is not None:
            self.on_lost(error)
