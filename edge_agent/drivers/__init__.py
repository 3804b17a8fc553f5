"""Drivers: one protocol each, behind one small interface.

A driver owns one connection and is used by one task at a time unless it says otherwise, see `Overlapping`
(`device.Device` sees to both). It
has a deadline on every wait and keeps no other policy: no retry, no reconnect. It raises `LinkDown`
when the connection is not to be trusted any more and `Refused` when the device said no to a write;
whatever else it raises is a bug. A caller that cancels a call closes the driver afterwards.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from edge_agent.core.tags import Columns, Reason, Tag


class LinkDown(Exception):
    """The connection broke, or an answer did not fit its request.

    `reason` is what the samples say; for `patience` seconds it makes no sense to connect again.
    """

    def __init__(self, message: str, reason: Reason = Reason.NO_LINK, patience: float = 0.0) -> None:
        super().__init__(message)
        self.reason, self.patience = reason, patience


class Refused(Exception):
    """The device answered a write with no. The connection is sound."""


class Driver(Protocol):
    """What a protocol must be able to do.

    `ReadPlan` and `WritePlan` are each driver's own: compiled once for a fixed list of tags, and only
    ever handed back to the driver that made them.

    `on_lost` is the owner's to set. A driver that learns of the end of its connection by itself calls it,
    also while a request is under way, which fails as well.
    """

    on_lost: Callable[[LinkDown], None] | None

    def plan_read(self, tags: Sequence[Tag]) -> Any:
        """Compile a scan class. Must not do I/O."""
        ...

    def plan_write(self, tags: Sequence[Tag]) -> Any:
        """Compile a set of outputs that is always written together. Must not do I/O."""
        ...

    async def connect(self) -> None:
        """Open a fresh connection. Raises `LinkDown`."""
        ...

    async def read(self, plan: Any) -> Columns:
        """Read every tag of the plan, one row a tag in the plan's order.

        A tag that the device refuses is a BAD row, not an exception. Raises `LinkDown`.
        """
        ...

    async def write(self, plan: Any, values: Sequence[float]) -> None:
        """Write one raw value a tag, all in as few requests as the protocol allows, in the plan's order.

        Raises `LinkDown` (effect unknown) or `Refused` (nothing or only part of it was taken).
        """
        ...

    async def close(self) -> None:
        """Close at once, also in the middle of a request. Never raises, may be called twice."""
        ...


@runtime_checkable
class Overlapping(Driver, Protocol):
    """A driver that may be asked to write while it reads, so that a write waits for no long read."""

    overlaps: Literal[True]


@runtime_checkable
class Lasting(Driver, Protocol):
    """A driver whose connection outlives a change of its plans.

    Plans of the same tags are the same; what is planned while it is connected is found by its first use.
    """

    async def keep(self, plans: Sequence[Any]) -> None:
        """Forget all other plans. Raises `LinkDown`."""
        ...


@runtime_checkable
class Certified(Driver, Protocol):
    """A driver whose connection rests on certificates that end."""

    @property
    def certificate_ends(self) -> dict[str, float]:
        """When those in use end, in seconds since 1970, by whose they are: ``own``, ``server``."""
        ...


Gather = Callable[[Sequence[int], Sequence[int]], Columns]
"""Columns, one after the other, of the plans with these indices, which rise, that were whole at these times.

Times are monotonic, in ns.
"""


@runtime_checkable
class Prompt(Driver, Protocol):
    """A driver that needs no task of its own to read, so that many are read for little more than one."""

    def begin(self, plan: Any, done: Callable[[LinkDown | None], None]) -> None:
        """Begin to read a plan.

        `done` is called once, perhaps within this call: with what broke, or with None when the plan is whole,
        which then stays as it is until it is read again.
        """
        ...

    def columns(self, plan: Any) -> Columns:
        """Return the columns of a plan that is whole."""
        ...

    @staticmethod
    def gather(plans: Sequence[Any]) -> Gather:
        """Compile what takes the columns of many plans at once, also of several such drivers."""
        ...

    def drop(self) -> None:
        """Close, as `close` does, without waiting."""
        ...
