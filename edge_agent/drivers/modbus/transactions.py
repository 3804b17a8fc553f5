"""Requests under way on one connection, and which of them a reply answers. Pure: no clock and no wire.

Here a reply is checked against its request: transaction number, unit, function, length, echo. One that
belongs to no request makes all the others doubtful as well.
"""

import secrets
from typing import Generic, Protocol, TypeVar

from edge_agent.drivers.modbus.frames import Framer
from edge_agent.drivers.modbus.frames.mbap import LAST
from edge_agent.drivers.modbus.pdu import BadReply, DeviceException, Request

Answer = bytes | DeviceException | BadReply
"""The data that were asked for, or what the device gave instead."""

MOST_LATE = 64
"""Requests that were given up whose answers are still recognised; one before these breaks the connection."""


class Ticket(Protocol):
    """Who asks a unit for something, and wants the answer."""

    @property
    def unit(self) -> int:
        """Who is asked."""
        ...

    @property
    def request(self) -> Request:
        """For what."""
        ...

    @property
    def number(self) -> int:
        """Under which number."""
        ...


T = TypeVar("T", bound=Ticket)


class Transactions(Generic[T]):
    """What was sent and is not answered."""

    def __init__(self, framer: Framer) -> None:
        self._framer = framer
        self.numbered = framer.numbered
        """Whether a late answer can be told from the one that is due."""
        self._sent: dict[int, T] = {}
        self._late: dict[int, int] = {}  # number of a request that was given up -> its unit
        # Not from the same number every time: an answer to an earlier connection must not fit by chance.
        self.last = secrets.randbelow(0xFFFF) if framer.numbered else 0
        """The number of the last request."""

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame have come."""
        return self._framer.pending

    def number(self) -> int:
        """Return the number for the next request, always 0 if they have none."""
        if self.numbered:
            self.last = self.last % LAST + 1
        assert self.last not in self._sent, "more requests under way than there are numbers"
        return self.last

    def send(self, ticket: T) -> bytes:
        """Return the bytes to send for a ticket that has its number."""
        self.adopt(ticket)
        return self._framer.encode(ticket.number, ticket.unit, ticket.request.pdu)

    def adopt(self, ticket: T) -> None:
        """Wait for the answer to a ticket whose request was sent by somebody else."""
        self._sent[ticket.number] = ticket

    def receive(self, data: bytes) -> list[tuple[T, Answer]]:
        """Take what arrived and return what was answered.

        Raises `BadReply` for anything that belongs to no request, as without numbers a wrong answer may.
        Nothing counts as answered then, not even what fitted.
        """
        answers: dict[int, tuple[T, Answer]] = {}
        for frame in self._framer.feed(data):
            number = frame.transaction
            sent = None if number in answers else self._sent.get(number)
            if sent is None:
                if self._late.pop(number, None) != frame.unit and not self._framer.repeats:
                    raise BadReply("a reply that nobody asked for")
                continue
            if frame.unit != sent.unit:
                raise BadReply(f"unit {frame.unit} answers a request to unit {sent.unit}")
            answers[number] = sent, self._checked(sent.request, frame.pdu)
        if self._framer.pending and len(answers) == len(self._sent) and not self._late:
            raise BadReply("more bytes than one reply")
        for number in answers:
            del self._sent[number]
        return list(answers.values())

    def give_up(self, number: int) -> None:
        """Wait for an answer no longer. Should it come all the same, it answers nothing."""
        sent = self._sent.pop(number)
        if self._framer.numbered:
            self._late[number] = sent.unit
            if len(self._late) > MOST_LATE:
                del self._late[next(iter(self._late))]
        else:
            self._framer.reset()

    def tickets(self) -> list[T]:
        """Return the tickets of what is under way."""
        return list(self._sent.values())

    def clear(self) -> list[T]:
        """Forget everything, as for a new connection, and return the tickets of what was under way."""
        tickets = self.tickets()
        self._sent.clear()
        self._late.clear()
        self._framer.reset()
        return tickets

    def _checked(self, request: Request, reply: bytes) -> Answer:
        try:
            return request.data(reply)
        except DeviceException as error:
            return error
        except BadReply as error:
            if self._framer.numbered:
                return error
            raise
