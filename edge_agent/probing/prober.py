"""Asks a Modbus link one thing after the other."""

import asyncio
from functools import partial

import numpy as np

from edge_agent.core.registers import BIT_TABLES, Table
from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.carrier import ask
from edge_agent.drivers.modbus.link import Link
from edge_agent.drivers.modbus.pdu import GATEWAY_SILENCE, DeviceException, Request
from edge_agent.probing.found import Found

WRONG = "a wrong answer: "
"""Begins what is told of answers that fit no request."""


class Prober:
    """Asks at most `rate` requests a second; `timeout` in seconds."""

    def __init__(self, link: Link, rate: float, timeout: float) -> None:
        self._link, self._pause, self._timeout = link, 1 / rate, timeout
        self._joined = False
        self._next = 0.0
        self.unit = 0
        self.refused: dict[str, int] = {}
        """How often `cells` got which answer instead of what was asked for."""
        self.found = Found()

    def link_lost(self, _: LinkDown) -> None:
        """The next request connects again."""
        self._joined = False

    async def join(self) -> None:
        """Connect, if that is not so. Raises `LinkDown`."""
        if not self._joined:
            await self._link.join(self)
            self._joined = True

    async def ask(self, request: Request) -> bytes:
        """Return the data of an answer. Raises `DeviceException`, `LinkDown` if there is none."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._next - loop.time())
        self._next = loop.time() + self._pause
        await self.join()
        self.found.requests += 1
        try:
            return await ask(partial(self._link.send, self, request, self._timeout))
        except DeviceException as error:
            if error.code in GATEWAY_SILENCE:
                raise LinkDown(str(error), Reason.TIMEOUT) from None
            raise

    async def cells(self, table: Table, start: int, count: int) -> list[int] | None:
        """Return what these registers or bits hold, None if the unit does not give them in one answer.

        Silence counts as a refusal, and so does an answer that does not fit.
        """
        try:
            data = await self.ask(pdu.read(table, start, count))
        except (DeviceException, LinkDown) as error:
            self._note(error)
            return None
        if table in BIT_TABLES:
            bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little")
            return [int(bit) for bit in bits]
        return [int(word) for word in np.frombuffer(data, ">u2")]

    async def serves(self, table: Table, start: int, count: int) -> bool:
        """Whether the unit gives these in one answer."""
        return await self.cells(table, start, count) is not None

    def _note(self, error: DeviceException | LinkDown) -> None:
        wrong = isinstance(error, LinkDown) and error.reason is Reason.BAD_REPLY
        known = next((text for text in self.refused if text.startswith(WRONG)), None) if wrong else None
        text = known or (f"{WRONG}{error}" if wrong else str(error))
        self.refused[text] = self.refused.get(text, 0) + 1

    def close(self) -> None:
        """Leave the link."""
        self._link.leave(self)
