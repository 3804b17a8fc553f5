"""A link: one connection, and the requests of all units behind it.

One request is in flight unless `pipelining` says more. What a late answer does to whoever asks next is the
reason for most of the rules here; docs/decisions/0009 has them all.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.carrier import Borrower, Done, Member
from edge_agent.drivers.modbus.deadlines import EARLY, Deadlines
from edge_agent.drivers.modbus.frames import Framer
from edge_agent.drivers.modbus.pdu import GATEWAY_SILENCE, BadReply, DeviceException, Request
from edge_agent.drivers.modbus.query import Query
from edge_agent.drivers.modbus.quiet import Quiet
from edge_agent.drivers.modbus.transactions import Answer, Transactions
from edge_agent.drivers.modbus.turns import Turns
from edge_agent.drivers.modbus.wires import Endpoint, Wire
from edge_agent.drivers.modbus.wires.opening import Endpoints


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


class Link:
    """Connects to the first of `endpoints` that lets it. Used by members, which join and leave.

    `deadlines` may be shared with other links of the same event loop.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], framer: Framer, rules: Rules, deadlines: Deadlines | None = None
    ) -> None:
        self._endpoints, self._rules = Endpoints(endpoints), rules
        self.deadlines = deadlines or Deadlines()
        self.time: Callable[[], float] = lambda: 0.0  # the event loop's, which is not known before `join`
        self._members: set[Member] = set()
        self._turns: Turns[Query] = Turns()
        self._transactions: Transactions[Query] = Transactions(framer)
        self._unanswered: set[int] = set()  # units that kept silent since the last answer of any
        self._wire: Wire | None = None
        self._heard = False  # whether anything was answered on it
        self._lent: Borrower | None = None
        # One request after the other, each with a number, at once.
        self._may_lend = framer.numbered and rules.pipelining == 1 and not rules.delay
        self._quiet = Quiet(rules.pause, rules.delay, numbered=framer.numbered)
        self._wake: asyncio.TimerHandle | None = None
        self._connecting = asyncio.Lock()
        self._down = self._failure = LinkDown("not connected")
        self._failed_at = float("-inf")

    def __str__(self) -> str:
        return str(self._endpoints)

    async def join(self, member: Member) -> None:
        """Connect if nobody has, and count as one of those who use the link. Raises `LinkDown`."""
        self.time = asyncio.get_running_loop().time
        asked_at = self.time()
        async with self._connecting:
            if self._wire is None:
                if self._failed_at >= asked_at:
                    # An attempt that ended while this one waited was this one's as well.
                    raise _again(self._failure)
                self._failure = LinkDown("the attempt to connect was given up")
                try:
                    self._wire = await self._endpoints.open(self, self._rules.timeout)
                except LinkDown as error:
                    self._failure, self._failed_at = error, self.time()
                    raise
                self._heard = False
                self._quiet.connected(self.time())
            if self._lent is not None:
                self._lent.give_back()  # there are two of them now
            self._members.add(member)

    def leave(self, member: Member) -> None:
        """Use the link no more: what the member has asked for fails. The last one closes it."""
        if self._lent is not None:
            self._lent.give_back()
        self._members.discard(member)
        if not self._members:
            self._break(LinkDown("closed"))
            return
        for asked in (*self._transactions.tickets(), *self._turns.waiting()):
            if asked.member is member:
                asked.tell(LinkDown("closed"))

    def send(
        self, member: Member, request: Request, timeout: float, done: Done, *, urgent: bool = False
    ) -> Query:
        """Queue a request to the member's unit; its data come within `timeout` seconds after it is sent."""
        asked = Query(member, request, timeout, done, self.late)
        if self._wire is None or member not in self._members:
            asked.tell(_again(self._down))
            return asked
        if self._lent is not None:
            self._lent.give_back()
        now = self.time()
        if self._transactions.numbered and self._is_clear(asked.unit, now):
            self._send(self._wire, asked, now)
        else:
            self._turns.put(asked.unit, asked, urgent=urgent)
            self._pump()
        return asked

    def lend(self, member: Member, borrower: Borrower) -> tuple[Wire, int] | None:
        """Let the only member send and receive by itself until it is told to give back the connection.

        Returns the wire and the number of the last request; None if anything stands in the way.
        """
        if self._lent is not None:
            self._lent.give_back()
        if (
            self._may_lend
            and self._wire is not None
            and len(self._members) == 1
            and member in self._members
            and not self._transactions.pending
            and self._is_clear(member.unit, self.time())
        ):
            self._lent = borrower
            return self._wire, self._transactions.last
        return None

    def returned(self, last: int, *, heard: bool) -> None:
        """Take the connection back; `last` is the number of the last request, `heard` if any was answered."""
        self._lent = None
        self._heard = self._heard or heard
        self._transactions.last = last

    def adopt(self, query: Query) -> None:
        """Take over a request under way, as if it had been sent from here."""
        self._transactions.adopt(query)
        self.deadlines.add(query)

    def silent(self, unit: int) -> bool:
        """Whether a unit has left so many requests in a row unanswered that it gets less of the time."""
        return self._turns.silent(unit)

    def received(self, data: bytes) -> None:
        """Take what came from the wire."""
        if self._lent is not None:
            self._lent.received(data)
            return
        if not self._transactions.numbered and not self._transactions:
            if not self._quiet.disturbed(len(data), self.time()):
                self._break(LinkDown("the line talks without being asked", Reason.BAD_REPLY))
            return
        try:
            answers = self._transactions.receive(data)
        except BadReply as error:
            self._spoilt(error)
            return
        now = self.time()
        for asked, answer in answers:
            self._answered(asked, answer, now)
        self._pump()

    def lost(self, why: str) -> None:
        """Learn that the wire is gone."""
        self._break(LinkDown(why))

    def late(self, asked: Query) -> None:
        """Give up one request whose deadline has passed. Its answer, should it still come, is nobody's."""
        self._transactions.give_up(asked.number)
        self._missed(asked, LinkDown(f"no answer within {asked.timeout:g} s", Reason.TIMEOUT), self.time())
        self._pump()

    def _pump(self) -> None:
        """Send what may be sent now, and come back when more may be."""
        while self._turns and self._wire is not None and len(self._transactions) < self._rules.pipelining:
            now = self.time()
            if now < self._quiet.until - EARLY:
                self._come_back(self._quiet.until)
                return
            if not self._transactions.numbered and self._wire.unread():
                # What came before the request is no answer to it, so it is read before.
                self._come_back(now)
                return
            asked = self._turns.take(now + EARLY)
            if asked is None:
                self._come_back(self._turns.when())
                return
            if not asked.given_up:
                self._send(self._wire, asked, now)

    def _is_clear(self, unit: int, now: float) -> bool:
        """Whether a unit may be asked at once: nothing is under way, nobody waits, no turn needs thought."""
        return not self._transactions and now >= self._quiet.until and self._turns.free(unit, now)

    def _send(self, wire: Wire, asked: Query, now: float) -> None:
        asked.number = self._transactions.number()
        asked.sent, asked.due = now, now + asked.timeout
        self._quiet.sent()
        self.deadlines.add(asked)
        wire.send(self._transactions.send(asked))

    def _come_back(self, when: float | None) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = None if when is None else asyncio.get_running_loop().call_at(when, self._pump)

    def _answered(self, asked: Query, answer: Answer, now: float) -> None:
        self.deadlines.remove(asked)
        if isinstance(answer, BadReply):
            self._missed(asked, LinkDown(str(answer), Reason.BAD_REPLY), now)
            return
        self._heard = True
        self._unanswered.clear()
        silent = isinstance(answer, DeviceException) and answer.code in GATEWAY_SILENCE
        self._turns.done(asked.unit, now - asked.sent, now, answered=not silent)
        self._quiet.answered(now)
        asked.tell(answer)

    def _missed(self, asked: Query, error: LinkDown, now: float) -> None:
        """Fail a request without an answer that can be used, and leave its unit, or the line, alone."""
        self._turns.done(asked.unit, now - asked.sent, now, answered=False)
        self._unanswered.add(asked.unit)
        self._quiet.missed(self._patience(asked), now)
        if self._transactions.numbered:
            self._turns.hold(asked.unit, now + self._patience(asked))
        nobody_answers = {member.unit for member in self._members} <= self._unanswered
        asked.tell(error)
        if nobody_answers:
            self._break(LinkDown("nobody on the link answers", error.reason))

    def _spoilt(self, error: BadReply) -> None:
        """Fail all that a wrong frame could have been meant for."""
        down, now = LinkDown(str(error), Reason.BAD_REPLY), self.time()
        spoilt = self._transactions.clear()
        for asked in spoilt:
            self.deadlines.remove(asked)
            self._turns.done(asked.unit, now - asked.sent, now, answered=False)
            self._quiet.missed(self._patience(asked), now)
        for asked in spoilt:
            asked.tell(_again(down))
        if self._transactions.numbered:
            self._break(down)
        self._pump()

    def _patience(self, asked: Query) -> float:
        return asked.timeout if self._rules.settle is None else self._rules.settle

    def _break(self, error: LinkDown) -> None:
        """Close the wire; all who wait for it and all who use it are told."""
        if self._wire is None:
            return
        wire, self._wire, self._down = self._wire, None, error
        if self._lent is not None:
            self._lent.give_back()
        wire.close()
        self._endpoints.ended(heard=self._heard)
        self._come_back(None)
        self._unanswered.clear()
        now = self.time()
        under_way, waiting = self._transactions.clear(), self._turns.drop_all()
        members, self._members = self._members, set()
        for asked in under_way:
            self.deadlines.remove(asked)
            self._quiet.missed(self._patience(asked), now)
        for asked in (*under_way, *waiting):
            asked.tell(_again(error))
        for member in members:
            member.link_lost(_again(error))


def _again(error: LinkDown) -> LinkDown:
    """Return the same error for another one to raise."""
    return LinkDown(str(error), error.reason, error.patience)
