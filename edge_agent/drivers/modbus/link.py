"""A link: one connection, and the requests of all units behind it.

One request is in flight unless `pipelining` says more. What a late answer does to whoever asks next is the
reason for most of the rules here; docs/decisions/0009 has them all.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.carrier import Member
from edge_agent.drivers.modbus.frames import Framer
from edge_agent.drivers.modbus.pdu import GATEWAY_SILENCE, BadReply, DeviceException, Request
from edge_agent.drivers.modbus.transactions import Answer, Transactions
from edge_agent.drivers.modbus.turns import Turns
from edge_agent.drivers.modbus.wires import Endpoint, Wire
from edge_agent.drivers.modbus.wires.opening import open_first

EARLY = 1e-6
"""Seconds that a timer may fire before its time."""
MOST_NOISE = 4096
"""Bytes that nobody asked for, between two requests, after which a line is given up."""


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

    def fail(self, error: LinkDown | DeviceException) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        if not self.reply.done():
            self.reply.set_exception(_again(error) if isinstance(error, LinkDown) else error)
            self.reply.exception()  # read, so that one that nobody waits for any more is no complaint


class Link:
    """Connects to the first of `endpoints` that lets it. Used by members, which join and leave."""

    def __init__(self, endpoints: Sequence[Endpoint], framer: Framer, rules: Rules) -> None:
        self._endpoints, self._rules = endpoints, rules
        self._members: set[Member] = set()
        self._turns: Turns[_Asked] = Turns()
        self._transactions: Transactions[_Asked] = Transactions(framer)
        self._unanswered: set[int] = set()  # units that kept silent since the last answer of any
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
                    raise _again(self._failure)
                self._failure = LinkDown("the attempt to connect was given up")
                try:
                    self._wire = await open_first(self._endpoints, self, self._rules.timeout)
                except LinkDown as error:
                    self._failure, self._failed_at = error, _now()
                    raise
                self._quiet_until = max(self._quiet_until, _now() + self._rules.pause)
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
        asked = _Asked(unit, request, timeout, asyncio.get_running_loop().create_future())
        if self._wire is None:
            asked.fail(LinkDown("not connected"))
        else:
            self._turns.put(unit, asked)
            self._pump()
        return asked.reply

    def silent(self, unit: int) -> bool:
        """Whether a unit has left so many requests in a row unanswered that it gets less of the time."""
        return self._turns.silent(unit)

    def received(self, data: bytes) -> None:
        """Take what came from the wire."""
        if not self._transactions.numbered and not self._transactions:
            self._ignore(data)
            return
        try:
            answers = self._transactions.receive(data)
        except BadReply as error:
            self._spoilt(error)
            return
        now = _now()
        for asked, answer in answers:
            self._answered(asked, answer, now)
        self._pump()

    def lost(self, why: str) -> None:
        """Learn that the wire is gone."""
        self._break(LinkDown(why))

    def _pump(self) -> None:
        """Send what may be sent now, and come back when more may be."""
        while self._turns and self._wire is not None and len(self._transactions) < self._rules.pipelining:
            now = _now()
            if now < self._quiet_until - EARLY:
                self._come_back(self._quiet_until)
                return
            if not self._transactions.numbered and self._wire.unread():
                # What came before the request is no answer to it, so it is read before.
                self._come_back(now)
                return
            asked = self._turns.take(now + EARLY)
            if asked is None:
                self._come_back(self._turns.when())
                return
            if not asked.reply.done():
                self._send(self._wire, asked, now)

    def _send(self, wire: Wire, asked: _Asked, now: float) -> None:
        number, data = self._transactions.send(asked.unit, asked.request, asked)
        asked.sent, self._noise = now, 0
        asked.deadline = asyncio.get_running_loop().call_later(asked.timeout, self._late, number, asked)
        wire.send(data)

    def _come_back(self, when: float | None) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = None if when is None else asyncio.get_running_loop().call_at(when, self._pump)

    def _answered(self, asked: _Asked, answer: Answer, now: float) -> None:
        assert asked.deadline is not None, "it was sent"
        asked.deadline.cancel()
        if isinstance(answer, BadReply):
            self._missed(asked, LinkDown(str(answer), Reason.BAD_REPLY), now)
            return
        self._unanswered.clear()
        silent = isinstance(answer, DeviceException) and answer.code in GATEWAY_SILENCE
        self._turns.done(asked.unit, now - asked.sent, now, answered=not silent)
        if self._rules.delay:
            self._quiet_until = max(self._quiet_until, now + self._rules.delay)
        if isinstance(answer, DeviceException):
            asked.fail(answer)
        elif not asked.reply.done():
            asked.reply.set_result(answer)

    def _late(self, number: int, asked: _Asked) -> None:
        """Give up one request. Its answer, should it still come, is nobody's."""
        self._transactions.give_up(number)
        self._missed(asked, LinkDown(f"no answer within {asked.timeout:g} s", Reason.TIMEOUT), _now())
        self._pump()

    def _missed(self, asked: _Asked, error: LinkDown, now: float) -> None:
        """Fail a request without an answer that can be used, and leave its unit, or the line, alone."""
        self._turns.done(asked.unit, now - asked.sent, now, answered=False)
        self._unanswered.add(asked.unit)
        asked.fail(error)
        if self._transactions.numbered:
            self._turns.hold(asked.unit, now + self._patience(asked))
        else:
            self._drain(asked, now)
        if {member.unit for member in self._members} <= self._unanswered:
            self._break(LinkDown("nobody on the link answers", error.reason))

    def _spoilt(self, error: BadReply) -> None:
        """Fail all that a wrong frame could have been meant for."""
        down, now = LinkDown(str(error), Reason.BAD_REPLY), _now()
        for asked in self._transactions.clear():
            self._turns.done(asked.unit, now - asked.sent, now, answered=False)
            asked.fail(down)
            self._drain(asked, now)
        if self._transactions.numbered:
            self._break(down)
        self._pump()

    def _drain(self, asked: _Asked, now: float) -> None:
        """Keep a line silent until nothing late can arrive any more."""
        if not self._transactions.numbered:
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
        self._unanswered.clear()
        now = _now()
        for asked in self._transactions.clear():
            self._drain(asked, now)
            asked.fail(error)
        for asked in self._turns.drop_all():
            asked.fail(error)
        members, self._members = self._members, set()
        for member in members:
            member.link_lost(_again(error))


def _again(error: LinkDown) -> LinkDown:
    """Return the same error for another one to raise."""
    return LinkDown(str(error), error.reason, error.patience)


def _now() -> float:
    return asyncio.get_running_loop().time()
