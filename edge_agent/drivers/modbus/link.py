"""A link: one connection, and the requests of all units behind it.

One request is in flight unless `pipelining` says more. What a late answer does to whoever asks next is the
reason for most of the rules here; docs/decisions/0009 has them all.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.carrier import Done, Member, Outcome
from edge_agent.drivers.modbus.deadlines import EARLY, Deadlines
from edge_agent.drivers.modbus.frames import Framer
from edge_agent.drivers.modbus.pdu import GATEWAY_SILENCE, BadReply, DeviceException, Request
from edge_agent.drivers.modbus.quiet import Quiet
from edge_agent.drivers.modbus.transactions import Answer, Transactions
from edge_agent.drivers.modbus.turns import Turns
from edge_agent.drivers.modbus.wires import Endpoint, Wire
from edge_agent.drivers.modbus.wires.opening import open_first


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


class _Asked:
    """A request of a unit: when it was sent, when it is due, and who wants to know what becomes of it."""

    __slots__ = ("_done", "_link", "due", "member", "number", "request", "sent", "timeout", "unit")

    def __init__(self, link: "Link", member: Member, request: Request, timeout: float, done: Done) -> None:
        self._link, self.member, self.request, self.timeout = link, member, request, timeout
        self.unit = member.unit
        self._done: Done | None = done
        self.sent = self.due = 0.0
        self.number = 0

    @property
    def given_up(self) -> bool:
        return self._done is None

    def give_up(self) -> None:
        """Be told nothing any more. The link waits for the answer all the same, if it was sent.

        So it cannot be taken for another one's.
        """
        self._done = None

    def tell(self, outcome: Outcome) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)

    def late(self) -> None:
        self._link.late(self)


class Link:
    """Connects to the first of `endpoints` that lets it. Used by members, which join and leave.

    `deadlines` may be shared with other links of the same event loop.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], framer: Framer, rules: Rules, deadlines: Deadlines | None = None
    ) -> None:
        self._endpoints, self._rules = endpoints, rules
        self._deadlines = deadlines or Deadlines()
        self._members: set[Member] = set()
        self._turns: Turns[_Asked] = Turns()
        self._transactions: Transactions[_Asked] = Transactions(framer)
        self._unanswered: set[int] = set()  # units that kept silent since the last answer of any
        self._wire: Wire | None = None
        self._quiet = Quiet(rules.pause, rules.delay, numbered=framer.numbered)
        self._wake: asyncio.TimerHandle | None = None
        self._connecting = asyncio.Lock()
        self._down = self._failure = LinkDown("not connected")
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
                self._quiet.connected(_now())
            self._members.add(member)

    def leave(self, member: Member) -> None:
        """Use the link no more: what the member has asked for fails. The last one closes it."""
        self._members.discard(member)
        if not self._members:
            self._break(LinkDown("closed"))
            return
        for asked in (*self._transactions.tickets(), *self._turns.waiting()):
            if asked.member is member:
                asked.tell(LinkDown("closed"))

    def send(
        self, member: Member, request: Request, timeout: float, done: Done, *, urgent: bool = False
    ) -> _Asked:
        """Queue a request to the member's unit; its data come within `timeout` seconds after it is sent."""
        asked = _Asked(self, member, request, timeout, done)
        if self._wire is None or member not in self._members:
            asked.tell(_again(self._down))
            return asked
        now = _now()
        # The usual case: nothing under way, nobody waits, so whose turn it is needs no thought.
        if (
            not self._transactions
            and self._transactions.numbered
            and now >= self._quiet.until
            and self._turns.free(asked.unit, now)
        ):
            self._send(self._wire, asked, now)
        else:
            self._turns.put(asked.unit, asked, urgent=urgent)
            self._pump()
        return asked

    def silent(self, unit: int) -> bool:
        """Whether a unit has left so many requests in a row unanswered that it gets less of the time."""
        return self._turns.silent(unit)

    def received(self, data: bytes) -> None:
        """Take what came from the wire."""
        if not self._transactions.numbered and not self._transactions:
            if not self._quiet.disturbed(len(data), _now()):
                self._break(LinkDown("the line talks without being asked", Reason.BAD_REPLY))
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

    def late(self, asked: _Asked) -> None:
        """Give up one request whose deadline has passed. Its answer, should it still come, is nobody's."""
        self._transactions.give_up(asked.number)
        self._missed(asked, LinkDown(f"no answer within {asked.timeout:g} s", Reason.TIMEOUT), _now())
        self._pump()

    def _pump(self) -> None:
        """Send what may be sent now, and come back when more may be."""
        while self._turns and self._wire is not None and len(self._transactions) < self._rules.pipelining:
            now = _now()
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

    def _send(self, wire: Wire, asked: _Asked, now: float) -> None:
        asked.number, data = self._transactions.send(asked)
        asked.sent, asked.due = now, now + asked.timeout
        self._quiet.sent()
        self._deadlines.add(asked)
        wire.send(data)

    def _come_back(self, when: float | None) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = None if when is None else asyncio.get_running_loop().call_at(when, self._pump)

    def _answered(self, asked: _Asked, answer: Answer, now: float) -> None:
        self._deadlines.remove(asked)
        if isinstance(answer, BadReply):
            self._missed(asked, LinkDown(str(answer), Reason.BAD_REPLY), now)
            return
        self._unanswered.clear()
        silent = isinstance(answer, DeviceException) and answer.code in GATEWAY_SILENCE
        self._turns.done(asked.unit, now - asked.sent, now, answered=not silent)
        self._quiet.answered(now)
        asked.tell(answer)

    def _missed(self, asked: _Asked, error: LinkDown, now: float) -> None:
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
        down, now = LinkDown(str(error), Reason.BAD_REPLY), _now()
        spoilt = self._transactions.clear()
        for asked in spoilt:
            self._deadlines.remove(asked)
            self._turns.done(asked.unit, now - asked.sent, now, answered=False)
            self._quiet.missed(self._patience(asked), now)
        for asked in spoilt:
            asked.tell(_again(down))
        if self._transactions.numbered:
            self._break(down)
        self._pump()

    def _patience(self, asked: _Asked) -> float:
        return asked.timeout if self._rules.settle is None else self._rules.settle

    def _break(self, error: LinkDown) -> None:
        """Close the wire; all who wait for it and all who use it are told."""
        if self._wire is None:
            return
        self._wire.close()
        self._wire, self._down = None, error
        self._come_back(None)
        self._unanswered.clear()
        now = _now()
        under_way, waiting = self._transactions.clear(), self._turns.drop_all()
        members, self._members = self._members, set()
        for asked in under_way:
            self._deadlines.remove(asked)
            self._quiet.missed(self._patience(asked), now)
        for asked in (*under_way, *waiting):
            asked.tell(_again(error))
        for member in members:
            member.link_lost(_again(error))


def _again(error: LinkDown) -> LinkDown:
    """Return the same error for another one to raise."""
    return LinkDown(str(error), error.reason, error.patience)


def _now() -> float:
    return asyncio.get_running_loop().time()
