"""The Modbus driver of one unit on a link: compiled blocks in, columns out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.core.registers import Address, Block, Codec, plan_blocks
from edge_agent.core.tags import Columns, Grader, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.link import Link
from edge_agent.drivers.modbus.pdu import DeviceException, Request


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Requests of one scan class, and how their data become columns."""

    requests: list[tuple[Block, Request]]
    codec: Codec
    grader: Grader


@dataclass(frozen=True, slots=True)
class WritePlan:
    """Blocks of outputs that are written together; one block is one frame."""

    blocks: list[Block]
    codec: Codec


class Modbus:
    """The unit number `unit` behind `link`.

    `timeout`, in seconds, is for each answer. `max_gap` and `max_registers` shape the requests.
    """

    def __init__(
        self,
        link: Link,
        unit: int = 1,
        *,
        timeout: float = 0.5,
        max_gap: int = 16,
        max_registers: int = 125,
    ) -> None:
        self.link, self.unit, self.timeout = link, unit, timeout
        self.on_lost: Callable[[LinkDown], None] | None = None
        self._max_gap, self._max_registers = max_gap, max_registers
        self._down: LinkDown | None = LinkDown("not connected")
        self._asked: set[asyncio.Future[bytes]] = set()
        self._knock: Request | None = None

    def plan_read(self, tags: Sequence[Tag]) -> ReadPlan:
        """Compile a scan class."""
        addresses = [_address(tag) for tag in tags]
        blocks = plan_blocks(addresses, self._max_gap, self._max_registers)
        requests = [(block, pdu.read_block(block)) for block in blocks]
        if blocks and self._knock is None:
            self._knock = pdu.read(blocks[0].table, blocks[0].start, 1)
        return ReadPlan(requests, Codec(addresses, blocks), Grader(list(tags)))

    def plan_write(self, tags: Sequence[Tag]) -> WritePlan:
        """Compile outputs. Neighbours share a frame; what stands between outputs is never written."""
        addresses = [_address(tag) for tag in tags]
        blocks = plan_blocks(addresses, 0, pdu.LARGEST_WRITE, max_bits=1968)
        return WritePlan(blocks, Codec(addresses, blocks))

    async def connect(self) -> None:
        """Join the link, which connects it if need be. Raises `LinkDown`.

        A unit that did not answer last time is asked for one register first: as long as it keeps silent it
        costs the link one short request.
        """
        await self.close()
        await self.link.join(self)
        self._down = None
        if self._knock is not None and self.link.misses(self.unit):
            try:
                await self.ask(self._knock)
            except DeviceException:
                pass  # it is there
            except LinkDown:
                await self.close()
                raise

    async def read(self, plan: ReadPlan) -> Columns:
        """Read all blocks. A block that is refused spoils only its own rows."""
        reason = np.zeros(plan.codec.rows, np.uint8)
        data = []
        replies = [self.ask(request) for _, request in plan.requests]
        try:
            for (block, _), reply in zip(plan.requests, replies, strict=True):
                try:
                    data.append(await reply)
                except DeviceException:
                    data.append(bytes(block.size))
                    reason[block.rows] = Reason.DEVICE_REFUSED
        finally:
            for reply in replies:
                reply.cancel()
        raw = plan.codec.decode(np.frombuffer(b"".join(data), np.uint8))
        return plan.grader.grade(raw, reason, time.monotonic_ns())

    async def write(self, plan: WritePlan, values: Sequence[float]) -> None:
        """Write raw values, one frame a block. Raises ValueError for a value its type cannot hold."""
        data = plan.codec.encode(values)
        at = 0
        for block in plan.blocks:
            part = data[at : at + block.size]
            at += block.size
            try:
                await self.ask(pdu.write_block(block, part))
            except DeviceException as error:
                raise Refused(f"{block.table} {block.start}, {block.count} words: {error}") from None

    def ask(self, request: Request) -> "asyncio.Future[bytes]":
        """Send a request when it is this unit's turn; its data. Raises `LinkDown`, `DeviceException`."""
        if self._down is not None:
            reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            reply.set_exception(LinkDown(str(self._down), self._down.reason))
            reply.exception()  # read, so that one that nobody waits for any more is no complaint
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
                reply.set_exception(LinkDown("closed"))
        self.link.leave(self)

    def link_lost(self, error: LinkDown) -> None:
        """Tell whoever wants to know that the link is gone. Whoever waits for an answer knows already."""
        self._down = error
        if self.on_lost is not None:
            self.on_lost(error)


def _address(tag: Tag) -> Address:
    assert isinstance(tag.address, Address), f"{tag.name} has no Modbus address"
    return tag.address
