"""The Modbus driver of one unit on a link: compiled blocks in, columns out."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_agent.core.codec import Codec
from edge_agent.core.quarantine import Part
from edge_agent.core.readcycle import ReadCycle, address_of
from edge_agent.core.readplan import DEFAULT_LIMITS, Block, Limits, plan_blocks
from edge_agent.core.registers import BIT_TABLES
from edge_agent.core.tags import Columns, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.carrier import Carrier
from edge_agent.drivers.modbus.pdu import DeviceException, Request

log = logging.getLogger(__name__)

_WRITING = Limits(max_gap=0, max_registers=pdu.LARGEST_WRITE, max_bits=pdu.LARGEST_WRITE_BITS)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A scan class, and the requests for the blocks that were planned."""

    cycle: ReadCycle
    requests: list[Request]

    def request(self, part: Part) -> Request:
        """Return the request for a part."""
        planned = part.block is self.cycle.blocks[part.of]
        return self.requests[part.of] if planned else pdu.read_block(part.block)


@dataclass(frozen=True, slots=True)
class WritePlan:
    """Blocks of outputs that are written together; one block is one frame.

    Of a block of registers with `masks` that are not whole only those bits are written.
    """

    blocks: list[Block]
    codec: Codec
    masks: list[bytes]


@dataclass(frozen=True, slots=True)
class Habits:
    """What a device asks of writes: `singly`, by FC 5 and 6; bits by `rewriting` registers that were read."""

    singly: bool = False
    rewriting: bool = False


class Modbus:
    """The unit number `unit` behind `link`.

    `timeout`, in seconds, is for each answer. `limits` shape the requests, `habits` the writes.
    """

    def __init__(
        self,
        link: Carrier,
        unit: int = 1,
        *,
        timeout: float = 0.5,
        limits: Limits = DEFAULT_LIMITS,
        habits: Habits = Habits(),
    ) -> None:
        self.link, self.unit, self.timeout = link, unit, timeout
        self.on_lost: Callable[[LinkDown], None] | None = None
        self._limits, self._habits = limits, habits
        self._down: LinkDown | None = LinkDown("not connected")
        self._asked: set[asyncio.Future[bytes]] = set()
        self._knock: Request | None = None

    def plan_read(self, tags: Sequence[Tag]) -> ReadPlan:
        """Compile a scan class."""
        cycle = ReadCycle(tags, self._limits)
        if cycle.blocks and self._knock is None:
            first = cycle.blocks[0]
            self._knock = pdu.read(first.table, first.start, 1)
        return ReadPlan(cycle, [pdu.read_block(block) for block in cycle.blocks])

    def plan_write(self, tags: Sequence[Tag]) -> WritePlan:
        """Compile outputs. Neighbours share a frame; what stands between outputs is never written."""
        addresses = [address_of(tag) for tag in tags]
        blocks = plan_blocks(addresses, _WRITING)
        codec = Codec(addresses, blocks)
        return WritePlan(blocks, codec, codec.masks())

    async def connect(self) -> None:
        """Join the link, which connects it if need be. Raises `LinkDown`.

        A unit that kept silent is asked for one register first: as long as it stays silent it costs the link
        one short request.
        """
        await self.close()
        await self.link.join(self)
        self._down = None
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
        cycle = plan.cycle
        parts = cycle.begin(int(asyncio.get_running_loop().time() * 1e9))
        while parts:
            await self._ask_all(plan, parts)
            parts = cycle.more()
        for line in cycle.news():
            log.warning("%s", line)
        return cycle.columns(time.monotonic_ns())

    async def _ask_all(self, plan: ReadPlan, parts: Sequence[Part]) -> None:
        replies = [self.ask(plan.request(part)) for part in parts]
        try:
            for part, reply in zip(parts, replies, strict=True):
                try:
                    plan.cycle.answered(part, await reply)
                except DeviceException as error:
                    plan.cycle.refused(part, error.code)
        finally:
            for reply in replies:
                reply.cancel()

    async def write(self, plan: WritePlan, values: Sequence[float]) -> None:
        """Write raw values, one frame a block. Raises ValueError for a value its type cannot hold."""
        for block, data, mask in zip(plan.blocks, plan.codec.encode(values), plan.masks, strict=True):
            try:
                for request in await self._writing(block, data, mask):
                    await self.ask(request)
            except DeviceException as error:
                raise Refused(f"{block.table} {block.start}, {block.count} words: {error}") from None

    async def _writing(self, block: Block, data: bytes, mask: bytes) -> list[Request]:
        if block.table not in BIT_TABLES and mask.count(0xFF) < len(mask):
            if not self._habits.rewriting:
                return pdu.write_masked(block, data, mask)
            data = pdu.merged(await self.ask(pdu.read_block(block)), data, mask)
        return pdu.write_singly(block, data) if self._habits.singly else [pdu.write_block(block, data)]

    def ask(self, request: Request) -> "asyncio.Future[bytes]":
        """Send a request when it is this unit's turn; its data. Raises `LinkDown`, `DeviceException`."""
        if self._down is not None:
            reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            _fail(reply, self._down)
            return reply
        reply = self.link.ask(self.unit, request, self.timeout)
        self._asked.add(reply)
        reply.add_done_callback(self._asked.discard)
        return reply

    async def close(self) -> None:
        """Leave the link at once. Whoever waits for an answer gets none."""
        self._down = LinkDown("not connected")
        for reply in list(self._asked):
            if not reply.done():
                _fail(reply, LinkDown("closed"))
        self.link.leave(self)

    def link_lost(self, error: LinkDown) -> None:
        """Tell whoever wants to know that the link is gone. Whoever waits for an answer knows already."""
        self._down = error
        if self.on_lost is not None:
            self.on_lost(error)


def _fail(reply: "asyncio.Future[bytes]", error: LinkDown) -> None:
    reply.set_exception(LinkDown(str(error), error.reason))
    reply.exception()  # read, so that one that nobody waits for any more is no complaint
