"""The usual read, in few steps: a connection that nobody else uses, and replies as they are due to the byte.

A plan borrows the connection of its link and keeps it. All else is the link's business: when somebody else
wants to send, or a reply is late or not what is due, the link gets the connection back with the request under
way, as if it had sent that itself.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.carrier import Done, Member
from edge_agent.drivers.modbus.frames.mbap import HEAD, LAST, Mbap
from edge_agent.drivers.modbus.link import Link
from edge_agent.drivers.modbus.pdu import Request
from edge_agent.drivers.modbus.query import Query
from edge_agent.drivers.modbus.reading import Reading, ReadPlan, Send
from edge_agent.drivers.modbus.wires import Wire


class _Leg(NamedTuple):
    """A request, how its reply begins, both without their number, and how many bytes the whole reply has."""

    request: bytes
    head: bytes
    size: int

    def fits(self, reply: bytes, number: bytes) -> bool:
        """Whether a reply is the one that is due, and all that came."""
        return len(reply) == self.size and reply[:2] == number and reply.startswith(self.head, 2)


class Express:
    """Reads one plan, again and again. `due` is when the answer to the request under way is."""

    def __init__(self, link: Link, member: Member, send: Send, timeout: float, plan: ReadPlan) -> None:
        self._link, self._member, self._send, self._timeout = link, member, send, timeout
        self._plan, self._cycle = plan, plan.cycle
        self._legs = [_leg(member.unit, request) for request in plan.requests]
        self._wire: Wire | None = None
        self._done: Callable[[LinkDown | None], None] | None = None
        self._at = self._number = 0
        self._sent, self.due = 0.0, math.inf
        self._due = b""
        self._heard = False

    def begin(self, done: Callable[[LinkDown | None], None]) -> bool:
        """Begin a read if nothing stands in its way. `done` is called as `Prompt.begin` says."""
        if self._wire is None and not self._borrow():
            return False
        self._done, self._at = done, 0
        self._ask(self._link.time())
        return True

    def received(self, data: bytes) -> None:
        """Take what came: the reply that is due, to the byte, or something for the link to look at."""
        at, done = self._at, self._done
        if done is None or not self._legs[at].fits(data, self._due):
            self.give_back()
            self._link.received(data)
            return
        self._heard = True
        self._cycle.store(at, data[HEAD.size + 2 :])
        self._at = at = at + 1
        if at < len(self._legs):
            self._ask(self._link.time())
            return
        self._done, self.due = None, math.inf
        done(None)

    def late(self) -> None:
        """Learn that a deadline has passed."""
        self.give_back()

    def give_back(self) -> None:
        """Let the link have the connection, with the request under way, and what is still to be asked."""
        self._wire = None
        self._link.deadlines.remove(self)
        self._link.returned(self._number, heard=self._heard)
        done, self._done = self._done, None
        if done is not None:
            parts = self._cycle.begin(int(self._sent * 1e9), self._at)
            Reading(self._send, self._plan, done).go_on(parts, self._adopted)

    def _borrow(self) -> bool:
        if self._cycle.torn or not self._legs:
            return False
        loan = self._link.lend(self._member, self)
        if loan is None:
            return False
        self._wire, self._number = loan
        self._heard = False
        self._link.deadlines.add(self)
        self._cycle.begin(0, len(self._legs))
        return True

    def _ask(self, now: float) -> None:
        assert self._wire is not None, "it was borrowed"
        self._number = number = self._number % LAST + 1
        self._due = due = number.to_bytes(2, "big")
        self._sent, self.due = now, now + self._timeout
        if self._link.deadlines.fires > self.due:
            self._link.deadlines.wake(self.due)
        self._wire.send(due + self._legs[self._at].request)

    def _adopted(self, request: Request, done: Done) -> Query:
        query = Query(self._member, request, self._timeout, done, self._link.late)
        query.number, query.sent, query.due = self._number, self._sent, self._sent + self._timeout
        self._link.adopt(query)
        return query


def _leg(unit: int, request: Request) -> _Leg:
    assert request.length is not None, "the reply to a read has a length"
    reply = Mbap.encode(0, unit, request.head.ljust(request.length, b"\0"))
    return _Leg(Mbap.encode(0, unit, request.pdu)[2:], reply[2 : HEAD.size + len(request.head)], len(reply))
