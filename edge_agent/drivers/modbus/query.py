"""A request to a unit, from when it is handed over until it is settled."""

from collections.abc import Callable

from edge_agent.drivers.modbus.carrier import Done, Member, Outcome
from edge_agent.drivers.modbus.pdu import Request


class Query:
    """Knows when it was sent, when it is due, and who wants to know what becomes of it.

    Times are in seconds of the event loop's clock; `missed` is called when its deadline has passed.
    """

    __slots__ = ("_done", "_missed", "due", "member", "number", "request", "sent", "timeout", "unit")

    def __init__(
        self, member: Member, request: Request, timeout: float, done: Done, missed: Callable[["Query"], None]
    ) -> None:
        self.member, self.request, self.timeout = member, request, timeout
        self.unit = member.unit
        self._done: Done | None = done
        self._missed = missed
        self.sent = self.due = 0.0
        self.number = 0

    @property
    def given_up(self) -> bool:
        """Whether nobody wants to know any more."""
        return self._done is None

    def give_up(self) -> None:
        """Be told nothing any more. The link waits for the answer all the same, if it was sent.

        So it cannot be taken for another one's.
        """
        self._done = None

    def tell(self, outcome: Outcome) -> None:
        """Tell what became of it, once."""
        done, self._done = self._done, None
        if done is not None:
            done(outcome)

    def late(self) -> None:
        """Learn that its deadline has passed."""
        self._missed(self)
