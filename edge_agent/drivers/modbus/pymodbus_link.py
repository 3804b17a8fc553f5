"""The same link on pymodbus' client, to compare with: ``driver = "pymodbus"``.

pymodbus takes replies with another function, with too few registers or with a wrong echo for success, so each
one is checked again here. It has one request under way and knows neither turns nor late answers.
"""

import asyncio

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import DecodePDU

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.carrier import Asked, Done, Member, Outcome
from edge_agent.drivers.modbus.pdu import BadReply, DeviceException, Request


class PymodbusLink:
    """A Modbus TCP server. `timeout`, in seconds, is for connecting and for each answer of any unit."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._host, self._port, self._timeout = host, port, timeout
        self._client: AsyncModbusTcpClient | None = None
        self._requests = DecodePDU(is_server=True)
        self._asked: set[_Asked] = set()

    def __str__(self) -> str:
        return f"{self._host}:{self._port} (pymodbus)"

    async def join(self, member: Member) -> None:  # noqa: ARG002 - its one member
        """Connect. Raises `LinkDown`."""
        client = AsyncModbusTcpClient(
            self._host, port=self._port, timeout=self._timeout, retries=0, reconnect_delay=0
        )
        if not await client.connect():
            client.close()
            raise LinkDown("no connection")
        self._client = client

    def leave(self, member: Member) -> None:  # noqa: ARG002 - its one member
        """Close the connection."""
        for asked in list(self._asked):
            asked.task.cancel()
            asked.tell(LinkDown("closed"))
        if self._client is not None:
            self._client.close()
            self._client = None

    def silent(self, unit: int) -> bool:  # noqa: ARG002 - it does not count
        """No unit is treated as silent."""
        return False

    def send(
        self,
        member: Member,
        request: Request,
        timeout: float,  # noqa: ARG002 - the client's own
        done: Done,
        *,
        urgent: bool = False,  # noqa: ARG002 - the client's lock knows no order
    ) -> Asked:
        """Send a request; its data, or why there are none, go to `done`."""
        asked = _Asked(done)
        self._asked.add(asked)
        asked.task = asyncio.create_task(self._answer(member.unit, request, asked))
        asked.task.add_done_callback(lambda _: self._asked.discard(asked))
        return asked

    async def _answer(self, unit: int, request: Request, asked: "_Asked") -> None:
        try:
            asked.tell(await self._exchange(unit, request))
        except (LinkDown, DeviceException) as error:
            asked.tell(error)

    async def _exchange(self, unit: int, request: Request) -> bytes:
        if self._client is None or not self._client.connected:
            raise LinkDown("not connected")
        pdu = self._requests.decode(request.pdu)
        assert pdu is not None, "a request that pymodbus does not know"
        pdu.dev_id = unit
        try:
            answer = await self._client.execute(False, pdu)
        except ModbusException as error:
            raise LinkDown(str(error), Reason.TIMEOUT) from None
        try:
            return request.data(bytes((answer.function_code,)) + answer.encode())
        except BadReply as error:
            raise LinkDown(str(error), Reason.BAD_REPLY) from None


class _Asked:
    """A request, and who wants to know what becomes of it."""

    def __init__(self, done: Done) -> None:
        self._done: Done | None = done
        self.task: asyncio.Task[None]

    def give_up(self) -> None:
        self._done = None

    def tell(self, outcome: Outcome) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)
