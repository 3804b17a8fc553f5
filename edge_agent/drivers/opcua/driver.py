"""OPC UA: a scan class by one cyclic Read or by subscription, a set of outputs by one typed Write.

Importing this module imports asyncua (0.5 s, 25 MB): do so only to construct a driver. Everything that a
restart of the server may change (namespace indices, nodes, types, limits) is asked for on every connection.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal
from urllib.parse import urlsplit

from asyncua import ua

from edge_agent.core.tags import Columns, Nanoseconds, Tag
from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import Insecure, deadline
from edge_agent.drivers.opcua.certificates import Certificates
from edge_agent.drivers.opcua.clock import Clock, Times
from edge_agent.drivers.opcua.known import Known
from edge_agent.drivers.opcua.plans import ReadPlan, WritePlan, addresses_of
from edge_agent.drivers.opcua.security import Agreed, Security, wants
from edge_agent.drivers.opcua.session import SESSION_TIMEOUT, Session
from edge_agent.drivers.opcua.status import code
from edge_agent.drivers.opcua.values import Reader
from edge_agent.drivers.opcua.writing import item, refuse, said

_log = logging.getLogger(__name__)

_CHANGED = {ua.StatusCodes.BadTypeMismatch, ua.StatusCodes.BadNodeIdUnknown}
"""What a write is told whose node is another than when its type was looked at."""


class OpcUa:
    """One session with one OPC UA server, anonymous and open without `security`. Implements `drivers.Driver`.

    The address of a tag is a `NodeAddress`. `url` is ``opc.tcp://host:port``; `timeout`, in s, bounds
    each request and each attempt to open a session. `expiry` is that of `Session`, `clock_tolerance` that of
    `Clock`, both in s. Raises ValueError if `url` is not such a URL.
    """

    overlaps: Literal[True] = True

    def __init__(
        self,
        url: str,
        timeout: float,
        security: Security | None = None,
        *,
        expiry: float = SESSION_TIMEOUT,
        clock_tolerance: float = 60.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "opc.tcp" or not parts.hostname or not parts.port:
            raise ValueError(f"{url!r} is not an OPC UA address: write opc.tcp://host:port")
        self.url = url
        self.timeout = timeout
        self.on_lost: Callable[[LinkDown], None] | None = None
        self._security, self._expiry = security, expiry
        self._clock = Clock(clock_tolerance, self._warn)
        self._plans: list[ReadPlan | WritePlan] = []
        self._warned: set[str] = set()
        self._known: Known | None = None
        self.certificates: Certificates | None = None
        """Both sides' of the last session, None if nothing secures it."""

    def plan_read(self, tags: Sequence[Tag]) -> ReadPlan:
        """Compile a scan class, or return that of the same tags; subscribed to if all are monitored."""
        for known in self._plans:
            if isinstance(known, ReadPlan) and known.tags == tuple(tags):
                return known
        reader, times = Reader(tags, self._warn_once), Times(tags, self._clock)
        plan = ReadPlan(tuple(tags), addresses_of(tags), reader, times)
        self._plans.append(plan)
        return plan

    def plan_write(self, tags: Sequence[Tag]) -> WritePlan:
        """Compile a set of outputs, or return that of the same tags."""
        for known in self._plans:
            if isinstance(known, WritePlan) and known.tags == tuple(tags):
                return known
        plan = WritePlan(tuple(tags), addresses_of(tags))
        self._plans.append(plan)
        return plan

    @property
    def certificate_ends(self) -> dict[str, float]:
        """When the certificates of the session end, see `Certified`; none without security."""
        return self.certificates.ends if self.certificates else {}

    async def connect(self) -> None:
        """Open a fresh session; find all nodes, the types of all outputs; subscribe.

        Raises:
            LinkDown: no session; `Insecure` if one side refuses the other's certificate or the login.
        """
        await self.close()
        if self._security is None:
            try:
                await self._open(None)
            except Insecure as refused:
                async with deadline(self.url, self.timeout):
                    raise await wants(self.url, self.timeout, refused) from None
            return
        own = await self._security.own()
        async with deadline(self.url, self.timeout):
            agreed = await self._security.agree(self.url, self.timeout, own)
        for one in agreed:
            try:
                await self._open(one)
            except Insecure as refused:
                await self.close()
                if one is agreed[-1] or not refused.ours:
                    raise
                name = one.own.file.name
                self._warn_once(f"does not take our new certificate {name} yet: {refused.status}")
            else:
                break

    async def _open(self, agreed: Agreed | None) -> None:
        certificates = Certificates(self.url, self.timeout, agreed, self._warn_once) if agreed else None
        self.certificates = certificates
        session = Session(
            self.url,
            self.timeout,
            agreed,
            expiry=self._expiry,
            clock=self._clock,
            examine=certificates.examine if certificates else None,
            on_ended=self.on_lost,
        )
        known = self._known = Known(session, self.timeout, self._warn_once, self.on_lost)
        async with deadline(self.url, self.timeout):
            await session.open()
        await known.learn(self._plans)

    async def read(self, plan: ReadPlan) -> Columns:
        """Return the Value of every tag (Part 4, 5.10.2), read or as the subscription last told it.

        A plan that is younger than the session is set up by its first read.

        Raises:
            LinkDown: no answer, or one that does not fit.
        """
        known = self._open_one()
        if plan not in known.located:
            await known.learn([plan])
        located = known.located[plan]
        subscription = known.subscriptions.get(plan)
        at: int | Nanoseconds
        if subscription is None:
            values = await known.session.read_values(located.requests)
            at = time.monotonic_ns()
        else:
            assert known.publisher is not None
            known.publisher.check()
            values = await subscription.values()
            at = subscription.at
        columns = plan.reader.columns(located.spread(values), located.described, located.times(at))
        await known.look_again(plan, values, columns)
        plan.times.look(columns, time.time())
        return columns

    async def write(self, plan: WritePlan, values: Sequence[float]) -> None:
        """Write all values in one request (Part 4, 5.10.4), each in exactly its node's type.

        Raises:
            LinkDown: no answer; what was written is unknown.
            Refused: a node is unknown, not writable, no number, of a type that cannot hold its value (then
                nothing was sent), or its status came back Bad.
        """
        known = self._open_one()
        rows = zip(plan.tags, plan.nodes, await known.types_of(plan), values, strict=True)
        items = [item(tag, known.ids[node], kind, value) for tag, node, kind, value in rows]
        answers = list(zip(plan.tags, await known.session.write(items), strict=True))
        if any(code(status.value) in _CHANGED for _, status in answers):
            del known.types[plan]  # found anew by the next write
        refuse([said(tag, status) for tag, status in answers if not status.is_good()])

    async def keep(self, plans: Sequence[ReadPlan | WritePlan]) -> None:
        """Forget all other plans, and end their subscriptions. Raises `LinkDown`."""
        self._plans = [plan for plan in self._plans if plan in plans]
        if self._known is not None:
            await self._known.keep(plans)

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    def _warn(self, text: str) -> None:
        _log.warning("%s: %s", self.url, text)

    @property
    def session(self) -> Session:
        """The open session. Raises `LinkDown` if there is none, or none to be used any more."""
        return self._open_one().session

    def _open_one(self) -> Known:
        if self._known is None:
            raise LinkDown(f"{self.url} is not connected")
        self._known.session.check()
        return self._known

    async def close(self) -> None:
        """Close within `session.CLOSE_GRACE`, whatever the server does."""
        known, self._known = self._known, None
        if known is not None:
            await known.close()
