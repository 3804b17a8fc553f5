"""What is read and written together, and where it is on the server that this session is with."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from asyncua import ua

from edge_agent.core.tags import Nanoseconds, Tag
from edge_agent.drivers.opcua.address import Monitored, NodeAddress
from edge_agent.drivers.opcua.clock import Times
from edge_agent.drivers.opcua.datatypes import Described, describe
from edge_agent.drivers.opcua.encoded import Wanted, wanted
from edge_agent.drivers.opcua.resolve import Node
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.values import Reader
from edge_agent.drivers.opcua.wire import Values

Rows = npt.NDArray[np.intp]
UNKNOWN = ua.StatusCodes.BadNodeIdUnknown


@dataclass(frozen=True, eq=False, slots=True)
class ReadPlan:
    """A scan class."""

    tags: tuple[Tag, ...]
    addresses: tuple[NodeAddress, ...]
    reader: Reader
    times: Times

    @property
    def period(self) -> float | None:
        """The period of the subscription, in s; None if it is read, as not all of its tags are monitored."""
        monitored = [address.monitored.period for address in self.addresses if address.monitored]
        return min(monitored) if monitored and len(monitored) == len(self.addresses) else None

    @property
    def structured(self) -> list[int]:
        """The rows that are fields of structures."""
        return [row for row, address in enumerate(self.addresses) if address.is_inside]

    @property
    def nodes(self) -> list[Node]:
        """The node of each tag."""
        return [address.node for address in self.addresses]


@dataclass(frozen=True, eq=False, slots=True)
class WritePlan:
    """Outputs that are always written together."""

    tags: tuple[Tag, ...]
    addresses: tuple[NodeAddress, ...]

    @property
    def nodes(self) -> list[Node]:
        """The node of each output."""
        return [address.node for address in self.addresses]


@dataclass(slots=True)
class Located:
    """A read plan on one server.

    `requests` name each node once that there is. Row i of the plan is request `where[i]`, -1 if there is no
    such node; None if they are one to one. `looked_at` and `described_at` are monotonic, in s; `changed` has
    the bits of `status` that were told since.
    """

    requests: list[Wanted]
    where: list[int] | None
    looked_at: float
    described: Described = field(default_factory=Described)
    described_at: float = 0.0
    changed: int = 0
    _places: Rows | None = None

    def __post_init__(self) -> None:
        self._places = None if self.where is None else np.array(self.where, np.intp)

    def spread(self, values: Values) -> Values:
        """Return the values of the requests as values of the rows."""
        if self.where is None:
            return values
        return Values(
            [None if i < 0 else values.raw[i] for i in self.where],
            [UNKNOWN if i < 0 else values.status[i] for i in self.where],
            [0 if i < 0 else values.source[i] for i in self.where],
            [0 if i < 0 else values.server[i] for i in self.where],
        )

    def times(self, at: int | Nanoseconds) -> int | Nanoseconds:
        """Return the times of the requests as times of the rows."""
        return at if isinstance(at, int) or self._places is None else at[self._places]

    def first_tags(self, plan: ReadPlan) -> list[Tag]:
        """Return the first tag of each request."""
        rows = range(len(plan.tags)) if self.where is None else self.where
        first = dict(zip(reversed(rows), reversed(plan.tags), strict=True))
        return [first[request] for request in range(len(self.requests))]

    def monitored(self, plan: ReadPlan, period: float) -> list[Monitored]:
        """Return how the node of each request is looked at."""
        found = [Monitored(period)] * len(self.requests)
        for row, address in enumerate(plan.addresses):
            request = row if self.where is None else self.where[row]
            if request >= 0 and address.monitored:
                # A part of a value is no number to the server, so that it can compare no change of it.
                deadband = 0.0 if address.field else address.monitored.deadband
                found[request] = replace(address.monitored, deadband=deadband)
        return found


def addresses_of(tags: Sequence[Tag]) -> tuple[NodeAddress, ...]:
    """Return the tags' addresses. Raises TypeError if one is not an OPC UA address."""
    addresses = tuple(tag.address for tag in tags if isinstance(tag.address, NodeAddress))
    if len(addresses) != len(tags):
        raise TypeError("the address of an OPC UA tag is a NodeAddress")
    return addresses


async def locate(session: Session, plan: ReadPlan, found: dict[Node, ua.NodeId], now: float) -> Located:
    """Make the requests of a plan, and ask what its values are. Raises `LinkDown`."""
    ids = {node: found[node] for node in plan.nodes if node in found}
    order = {node: i for i, node in enumerate(ids)}
    where = [order.get(node, -1) for node in plan.nodes]
    one_to_one = where == list(range(len(ids)))
    requests = [wanted(node) for node in ids.values()]
    described = await describe(session, plan.tags, found)
    return Located(requests, None if one_to_one else where, now, described, now)
