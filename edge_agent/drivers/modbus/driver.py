"""The Modbus TCP driver: compiled blocks in, columns out."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from edge_agent.core.registers import Address, Block, Codec, plan_blocks
from edge_agent.core.tags import Columns, Grader, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.pdu import BadReply, DeviceException
from edge_agent.drivers.modbus.tcp import Connection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Requests of one scan class, and how their data become columns."""

    requests: list[tuple[Block, bytes]]
    codec: Codec
    grader: Grader


@dataclass(frozen=True, slots=True)
class WritePlan:
    """Blocks of outputs that are written together; one block is one frame."""

    blocks: list[Block]
    codec: Codec


class ModbusTcp:
    """One unit at `host`:`port`.

    `timeout` is for connecting and for each answer, in seconds. `max_gap` and `max_registers` shape the
    requests.
    """

    def __init__(
        self,
        host: str,
        port: int = 502,
        unit: int = 1,
        *,
        timeout: float = 0.5,
        max_gap: int = 16,
        max_registers: int = 125,
    ) -> None:
        self._timeout = timeout
        self._host, self._port, self._unit = host, port, unit
        self._max_gap, self._max_registers = max_gap, max_registers
        self._connection: Connection | None = None

    def plan_read(self, tags: Sequence[Tag]) -> ReadPlan:
        """Compile a scan class."""
        addresses = [_address(tag) for tag in tags]
        blocks = plan_blocks(addresses, self._max_gap, self._max_registers)
        requests = [(block, pdu.read_request(block)) for block in blocks]
        return ReadPlan(requests, Codec(addresses, blocks), Grader(list(tags)))

    def plan_write(self, tags: Sequence[Tag]) -> WritePlan:
        """Compile outputs. Neighbours share a frame; what stands between outputs is never written."""
        addresses = [_address(tag) for tag in tags]
        blocks = plan_blocks(addresses, 0, pdu.LARGEST_WRITE, max_bits=1968)
        return WritePlan(blocks, Codec(addresses, blocks))

    async def connect(self) -> None:
        """Open a fresh connection. Raises `LinkDown`."""
        await self.close()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                transport, connection = await loop.create_connection(
                    lambda: Connection(self._timeout), self._host, self._port
                )
        except TimeoutError:
            raise LinkDown(f"no connection within {self._timeout:g} s") from None
        except UnicodeError as error:
            raise LinkDown(f"no host can be named {self._host!r}: {error}") from None
        except OSError as error:
            raise LinkDown(error.strerror or str(error)) from None
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connection = connection

    async def read(self, plan: ReadPlan) -> Columns:
        """Read all blocks, one after the other. A block that is refused spoils only its own rows."""
        reason = np.zeros(plan.codec.rows, np.uint8)
        data = []
        for block, request in plan.requests:
            try:
                data.append(await self._exchange(block, request, pdu.read_reply))
            except DeviceException:
                data.append(bytes(block.size))
                reason[block.rows] = Reason.DEVICE_REFUSED
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
                await self._exchange(block, pdu.write_request(block, part), pdu.check_write_reply)
            except DeviceException as error:
                raise Refused(f"{block.table} {block.start}, {block.count} words: {error}") from None

    async def close(self) -> None:
        """Drop the connection at once."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _exchange(self, block: Block, request: bytes, check: Callable[[Block, bytes], T]) -> T:
        if self._connection is None:
            raise LinkDown("not connected")
        try:
            return check(block, await self._connection.transact(self._unit, request))
        except BadReply as error:
            await self.close()
            raise LinkDown(str(error), Reason.BAD_REPLY) from None
        except TimeoutError:
            raise LinkDown(f"no answer within {self._timeout:g} s", Reason.TIMEOUT) from None
        except OSError as error:
            raise LinkDown(error.strerror or str(error)) from None


def _address(tag: Tag) -> Address:
    assert isinstance(tag.address, Address), f"{tag.name} has no Modbus address"
    return tag.address
