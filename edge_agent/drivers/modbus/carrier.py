"""What carries requests to units, and who they are carried for."""

import asyncio
from typing import Protocol

from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.pdu import Request


class Member(Protocol):
    """Who talks to a unit."""

    unit: int

    def link_lost(self, error: LinkDown) -> None:
        """Learn that the connection is gone, once."""
        ...


class Carrier(Protocol):
    """A connection that one or more members use."""

    async def join(self, member: Member) -> None:
        """Connect if nobody has, and count as one of those who use the link. Raises `LinkDown`."""
        ...

    def leave(self, member: Member) -> None:
        """Use the link no more. The last one closes it."""
        ...

    def ask(self, unit: int, request: Request, timeout: float) -> "asyncio.Future[bytes]":
        """Queue a request; its data come within `timeout` seconds after it is sent.

        The future raises `LinkDown` or `DeviceException`.
        """
        ...

    def silent(self, unit: int) -> bool:
        """Whether a unit has left so many requests in a row unanswered that it gets less of the time."""
        ...
