"""What carries requests to units, and who they are carried for."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.pdu import DeviceException, Request

Outcome = bytes | DeviceException | LinkDown
"""What became of a request: its data, or why there are none."""
Done = Callable[[Outcome], None]


class Member(Protocol):
    """Who talks to a unit."""

    unit: int

    def link_lost(self, error: LinkDown) -> None:
        """Learn that the connection is gone, once."""
        ...


class Asked(Protocol):
    """A request that was handed over."""

    def give_up(self) -> None:
        """Be told nothing any more."""
        ...


class Borrower(Protocol):
    """Who sends and receives by itself on a connection that it was lent."""

    def received(self, data: bytes) -> None:
        """Take what came from the wire."""
        ...

    def give_back(self) -> None:
        """Give the connection back at once, with the request under way if there is one."""
        ...


class Carrier(Protocol):
    """A connection that one or more members use."""

    async def join(self, member: Member) -> None:
        """Connect if nobody has, and count as one of those who use the link. Raises `LinkDown`."""
        ...

    def leave(self, member: Member) -> None:
        """Use the link no more: what the member has asked for fails. The last one closes it."""
        ...

    def send(
        self, member: Member, request: Request, timeout: float, done: Done, *, urgent: bool = False
    ) -> Asked:
        """Queue a request to the member's unit; its data come within `timeout` seconds after it is sent.

        An urgent one goes before all others to the same unit.
        `done` is called once, within this call if there is no connection, unless the request is given up.
        """
        ...

    def silent(self, unit: int) -> bool:
        """Whether a unit has left so many requests in a row unanswered that it gets less of the time."""
        ...


async def ask(send: Callable[[Done], Asked]) -> bytes:
    """Return the data of what `send` sends. Raises `LinkDown`, `DeviceException`."""
    reply: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def done(outcome: Outcome) -> None:
        if not reply.done():  # it may have been cancelled in this very turn of the loop
            reply.set_result(outcome)

    asked = send(done)
    try:
        outcome = await reply
    finally:
        asked.give_up()
    if isinstance(outcome, bytes):
        return outcome
    raise outcome
