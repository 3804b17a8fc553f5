"""A link: one connection, and the requests of all units behind it.

One request is in flight unless `pipelining` says more. Every reply is checked against its request before
anybody gets it. What a late answer does to whoever asks next is the reason for most of the rules here;
docs/decisions/0009 has them all.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.frames import Frame, Framer
from edge_agent.drivers.modbus.pdu import GATEWAY_SILENCE, BadReply, DeviceException, Request
from edge_agent.drivers.modbus.turns import Turns
from edge_agent.drivers.modbus.wires import Endpoint, Wire
from edge_agent.drivers.modbus.wires.stream import reason

log = logging.getLogger(__name__)

MOST_OWED = 64
"""Late answers that are waited for on one connection; it is dropped rather than grow."""
MOST_NOISE = 4096
"""Bytes that nobody asked for, between two requests, after which a line is given up."""


class Member(Protocol):
    """Who talks to a unit through a link."""

    unit: int

    def link_lost(self, error: LinkDown) -> None:
        """Learn that the connection is gone, once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a link behaves. All but `pipelining` in seconds.

    `timeout` bounds connecting; `pause` follows it before the first request. `delay` is silence between an
    answer and the next request. After an answer that did not come, `settle` is how long a unit is left alone,
    on a line without transaction numbers all of them; None means as long as the request's own timeout.
    """

    timeout: float = 0.5
    pause: float = 0.0
    delay: float = 0.0
    settle: float | None = None
    pipelining: int = 1


@dataclass(slots=True, eq=False)
class _Asked:
    unit: int
    request: Request
    timeout: float
    reply: "asyncio.Future[bytes]"
    sent: float = 0.0
    deadline: asyncio.TimerHandle | None = None
    outcome: bytes | DeviceException = b""


class Link:
    """Connects to the first of `endpoints` that lets it. Used by members, which join and leave."""

    def __init__(self, endpoints: Sequence[Endpoint], framer: Framer, rules: Rules) -> None:
        self._endpoints, self._framer, self._rules = endpoints, framer, rules
        self._members: set[Member] = set()
        self._turns: Turns[_Asked] = Turns()
        self._flying: dict[int, _Asked] = {}
        self._owed: dict[int, int] = {}  # transaction of an answer that is late -> its unit
        self._unanswered: set[int] = set()  # units that kept silent since the last answer of any
        # Not from the same number every time: an answer to an earlier connection must not fit by chance.
        self._transaction = secrets.randbelow(0xFFFF)
        self._wire: Wire | None = None
        self._quiet_until = 0.0
        self._noise = 0
        self._wake: asyncio.TimerHandle | None = None
        self._connecting = asyncio.Lock()
        self._failure = LinkDown("not connected")
        self._failed_at = float("-inf")

    def __str__(self) -> str:
        return " or ".join(map(str, self._endpoints))

    async def join(self, member: Member) -> None:
        """Connect if nobody has, and count as one of those who use the link. Raises `LinkDown`."""
        asked_at = _now()
        async with self._connecting:
            if self._wire is None:
                if self._failed_at >= asked_at:
                    # An attempt that ended while this one waited was this one's as well.
                    raise LinkDown(str(self._failure), self._failure.reason)
                await self._connect()
            self._members.add(member)

    def leave(self, member: Member) -> None:
        """Use the link no more. The last one closes it."""
        self._members.discard(member)
        if not self._members:
            self._break(LinkDown("closed"))

    def ask(self, unit: int, request: Request, timeout: float) -> "asyncio.Future[bytes]":
        """Queue a request; its data come within `timeout` seconds after it is sent.

        The future raises `LinkDown` or `DeviceException`. Who cancels it loses nothing: the link waits for
        the answer all the same, so that it cannot be taken for another one's.
        """
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        asked = _Asked(unit, request, timeout, reply)
        if self._wire is None:
            _fail(asked, LinkDown("not connected"))
        else:
            self._turns.put(unit, asked)
            self._pump()
        return reply

    def misses(self, unit: int) -> int:
        """Return how many requests in a row a unit has left unanswered."""
        return self._turns.misses(unit)

    def received(self, data: bytes) -> None:
        """Take what came from the wire."""
        if not self._framer.numbered and not self._flying:
            self._ignore(data)
            return
        answered: list[_Asked] = []
        try:
            for frame in self._framer.feed(data):
                asked = self._answered(frame)
                if asked is not None:
                    answered.append(asked)
            if self._framer.pending and not self._flying and not self._owed:
                raise BadReply("more bytes than one reply")  # noqa: TRY301 - as bad as a wrong frame
        except BadReply as error:
            # Nothing that came together with it is believed either.
            self._spoil(answered, error)
            return
        now = _now()
        for asked in answered:
            self._settle(asked, now)
        self._pump()

    def lost(self, why: str) -> None:
        """Learn that the wire is gone."""
        self._break(LinkDown(why))

    async def _connect(self) -> None:
        self._failure = LinkDown("the attempt to connect was given up")
        for endpoint in self._endpoints:
            try:
                self._wire = await endpoint.open(self, self._rules.timeout)
            except TimeoutError:
                self._failure = LinkDown(f"no connection within {self._rules.timeout:g} s")
            except OSError as error:
                self._failure = LinkDown(reason(error))
            else:
                if len(self._endpoints) > 1:
                    log.info("connected to %s", endpoint)
                self._quiet_until = max(self._quiet_until, _now() + self._rules.pause)
                return
        self._failed_at = _now()
        raise self._failure

    def _pump(self) -> None:
        """Send what may be sent now, and come back when more may be."""
        while self._wire is not None and len(self._flying) < self._rules.pipelining:
            now = _now()
            if now < self._quiet_until:
                self._come_back(self._quiet_until)
                return
            asked = self._turns.take(now)
            if asked is None:
                self._come_back(self._turns.when())
                return
            if not asked.reply.done():
                self._send(self._wire, asked, now)

    def _send(self, wire: Wire, asked: _Asked, now: float) -> None:
        if self._framer.numbered:
            self._transaction = self._transaction % 0xFFFF + 1
        number = self._transaction if self._framer.numbered else 0
        asked.sent = now
        asked.deadline = asyncio.get_running_loop().call_later(asked.timeout, self._late, number)
        self._flying[number] = asked
        self._noise = 0
        wire.send(self._framer.encode(number, asked.unit, asked.request.pdu))

    def _come_back(self, when: float | None) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = None if when is None else asyncio.get_running_loop().call_at(when, self._pump)

    def _answered(self, frame: Frame) -> _Asked | None:
        """Find and check what a frame answers; None for an answer that is late. Raises `BadReply`."""
        asked = self._flying.get(frame.transaction)
        if asked is None:
            if self._owed.pop(frame.transaction, None) == frame.unit or self._framer.repeats:
                return None
            raise BadReply("a reply that nobody asked for")
        if frame.unit != asked.unit:
            raise BadReply(f"unit {frame.unit} answers a request to unit {asked.unit}")
        try:
            asked.outcome = asked.request.data(frame.pdu)
        except DeviceException as error:
            asked.outcome = error
        del self._flying[frame.transaction]
        return asked

    def _settle(self, asked: _Asked, now: float) -> None:
        assert asked.deadline is not None, "it was sent"
        asked.deadline.cancel()
        outcome = asked.outcome
        silent = isinstance(outcome, DeviceException) and outcome.code in GATEWAY_SILENCE
        self._turns.done(asked.unit, now - asked.sent, now, answered=not silent)
        self._unanswered.clear()
        if self._rules.delay:
            self._quiet_until = max(self._quiet_until, now + self._rules.delay)
        if isinstance(outcome, DeviceException):
            _fail(asked, outcome)
        elif not asked.reply.done():
            asked.reply.set_result(outcome)

    def _late(self, number: int) -> None:
        """Give up one request, and see to it that its answer, should it still come, is nobody's."""
        asked, now = self._flying.pop(number), _now()
        self._turns.done(asked.unit, now - asked.sent, now, answered=False)
        self._unanswered.add(asked.unit)
        _fail(asked, LinkDown(f"no answer within {asked.timeout:g} s", Reason.TIMEOUT))
        if self._framer.numbered:
            self._owed[number] = asked.unit
            self._turns.hold(asked.unit, now + self._patience(asked))
        else:
            self._drain(asked, now)
        if {member.unit for member in self._members} <= self._unanswered or len(self._owed) > MOST_OWED:
            self._break(LinkDown("nobody on the link answers", Reason.TIMEOUT))
        self._pump()

    def _spoil(self, answered: list[_Asked], error: BadReply) -> None:
        """Fail all that the wrong frame could have been meant for."""
        down, now = LinkDown(str(error), Reason.BAD_REPLY), _now()
        for asked in [*answered, *self._flying.values()]:
            assert asked.deadline is not None, "it was sent"
            asked.deadline.cancel()
            self._turns.done(asked.unit, now - asked.sent, now, answered=False)
            _fail(asked, down)
            self._drain(asked, now)
        self._flying.clear()
        if self._framer.numbered:
            self._break(down)
        self._pump()

    def _drain(self, asked: _Asked, now: float) -> None:
        """Keep a line silent until nothing late can arrive any more."""
        self._framer.reset()
        if not self._framer.numbered:
            self._quiet_until = now + self._patience(asked)

    def _ignore(self, data: bytes) -> None:
        """Throw away what comes while nobody has asked; the line must fall silent before the next request."""
        self._noise += len(data)
        self._quiet_until = max(self._quiet_until, _now() + self._rules.delay)
        if self._noise > MOST_NOISE:
            self._break(LinkDown("the line talks without being asked", Reason.BAD_REPLY))

    def _patience(self, asked: _Asked) -> float:
        return asked.timeout if self._rules.settle is None else self._rules.settle

    def _break(self, error: LinkDown) -> None:
        """Close the wire; all who wait for it and all who use it are told."""
        if self._wire is None:
            return
        self._wire.close()
        self._wire = None
        self._come_back(None)
        waiting, now = [*self._flying.values(), *self._turns.drop_all()], _now()
        for asked in waiting:
            if asked.deadline is not None:
                asked.deadline.cancel()
                self._drain(asked, now)
            _fail(asked, error)
        self._flying.clear()
        self._owed.clear()
        self._unanswered.clear()
        self._framer.reset()
        members, self._members = self._members, set()
        for member in members:
            member.link_lost(LinkDown(str(error), error.reason))


def _fail(asked: _Asked, error: LinkDown | DeviceException) -> None:
    if not asked.reply.done():
        asked.reply.set_exception(
            LinkDown(str(error), error.reason) if isinstance(error, LinkDown) else error
        )
        asked.reply.exception()  # read, so that one that nobody waits for any more is no complaint


def _now() -> float:
    return asyncio.get_running_loop().time()
