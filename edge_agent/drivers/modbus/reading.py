"""One scan class of one unit, read without a task: requests out, and more of them while some are refused."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from edge_agent.core.quarantine import Part
from edge_agent.core.readcycle import ReadCycle
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.carrier import Asked, Done, Outcome
from edge_agent.drivers.modbus.pdu import DeviceException, Request

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A scan class, and the requests for the blocks that were planned."""

    cycle: ReadCycle
    requests: list[Request]

    def request(self, part: Part) -> Request:
        """Return the request for a part."""
        planned = part.block is self.cycle.blocks[part.of]
        return self.requests[part.of] if planned else pdu.read_block(part.block)


class Send(Protocol):
    """What sends a request when it is its turn; `done` may be called within this call."""

    def __call__(self, request: Request, done: Done, *, urgent: bool) -> Asked:
        """Send."""
        ...


class Reading:
    """One read of a plan under way: requests for all parts, and more while some are refused."""

    __slots__ = ("_asked", "_done", "_open", "_plan", "_send", "_urgent")

    def __init__(
        self,
        send: Send,
        plan: ReadPlan,
        done: Callable[[LinkDown | None], None],
        *,
        urgent: bool = False,
    ) -> None:
        self._send, self._plan, self._urgent = send, plan, urgent
        self._done: Callable[[LinkDown | None], None] | None = done
        self._asked: list[Asked] = []
        self._open = 0

    def begin(self) -> None:
        """Begin a cycle of the plan."""
        self.ask(self._plan.cycle.begin(int(asyncio.get_running_loop().time() * 1e9)))

    def ask(self, parts: Sequence[Part]) -> None:
        """Ask for parts, and when all are settled for what else there is."""
        self._open = len(parts)
        if not parts:
            self._end(None)
            return
        self._asked.clear()
        self._queue(parts)

    def go_on(self, parts: Sequence[Part], adopt: Callable[[Request, Done], Asked]) -> None:
        """Go on with a cycle of which only `parts` are not settled; the first is under way: `adopt` it."""
        self._open = len(parts)
        self._asked = [adopt(self._plan.request(parts[0]), partial(self._settled, parts[0]))]
        self._queue(parts[1:])

    def _queue(self, parts: Sequence[Part]) -> None:
        for part in parts:
            done = partial(self._settled, part)
            asked = self._send(self._plan.request(part), done, urgent=self._urgent)
            if self._done is None:
                return
            self._asked.append(asked)

    def give_up(self) -> None:
        """Take no answer any more."""
        self._done = None
        for asked in self._asked:
            asked.give_up()

    def _settled(self, part: Part, outcome: Outcome) -> None:
        cycle = self._plan.cycle
        if isinstance(outcome, bytes):
            cycle.answered(part, outcome)
        elif isinstance(outcome, DeviceException):
            cycle.refused(part, outcome.code)
        else:
            self._end(outcome)
            return
        self._open -= 1
        if self._open == 0:
            self.ask(cycle.more())

    def _end(self, error: LinkDown | None) -> None:
        done, self._done = self._done, None
        if error is None:
            for line in self._plan.cycle.news():
                log.warning("%s", line)
        else:
            self.give_up()
        if done is not None:
            done(error)
