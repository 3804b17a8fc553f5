"""OPC UA: a scan class by one cyclic Read or by subscription, a set of outputs by one typed Write.

Importing this module imports asyncua (0.5 s, 25 MB): do so only to construct a driver. Everything that a
restart of the server may change (namespace indices, nodes, types, limits) is asked for on every connection.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal
from urllib.parse import urlsplit

from asyncua import ua

from edge_agent.core.tags import Columns, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua.address import Monitored
from edge_agent.drivers.opcua.breaking import Insecure
from edge_agent.drivers.opcua.clock import Clock, Times
from edge_agent.drivers.opcua.plans import Located, ReadPlan, WritePlan, addresses_of, locate
from edge_agent.drivers.opcua.resolve import Node, resolve
from edge_agent.drivers.opcua.security import Agreed, Security, wants
from edge_agent.drivers.opcua.session import SESSION_TIMEOUT, Session
from edge_agent.drivers.opcua.subscription import Publisher, Subscription
from edge_agent.drivers.opcua.units import differences
from edge_agent.drivers.opcua.values import Reader
from edge_agent.drivers.opcua.wire import Values
from edge_agent.drivers.opcua.writing import item, output_types, refuse, said

_log = logging.getLogger(__name__)

LOCATE_AGAIN = 10.0
"""Seconds after which nodes that the server did not know are looked for again."""
SETUP = 10
"""Timeouts that finding nodes and subscribing to them may take together, however many there are."""
_CHANGED = {ua.StatusCodes.BadTypeMismatch, ua.StatusCodes.BadNodeIdUnknown}
"""What a write is told whose node is another than when its type was looked at."""
_UNKNOWN = {ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid}


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
        self._forget()

    def _forget(self) -> None:
        """Drop all that belongs to one session."""
        self._session: Session | None = None
        self._publisher: Publisher | None = None
        self._ids: dict[Node, ua.NodeId] = {}
        self._located: dict[ReadPlan, Located] = {}
        self._subscriptions: dict[ReadPlan, Subscription] = {}
        self._types: dict[WritePlan, list[ua.VariantType]] = {}

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
                async with _deadline(self.url, self.timeout):
                    raise await wants(self.url, self.timeout, refused) from None
            return
        own = await self._security.own()
        async with _deadline(self.url, self.timeout):
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
        session = Session(self.url, self.timeout, agreed, self._expiry, self._clock)
        self._session = session
        async with _deadline(self.url, self.timeout):
            await session.open()
        await self._set_up(session, self._plans)

    async def _set_up(self, session: Session, plans: Sequence[ReadPlan | WritePlan]) -> None:
        read_plans = [plan for plan in plans if isinstance(plan, ReadPlan)]
        async with _deadline(self.url, SETUP * self.timeout):
            await self._find(session, [node for plan in plans for node in plan.nodes])
            for plan in plans:
                if isinstance(plan, ReadPlan):
                    self._located[plan] = await locate(session, plan, self._ids, time.monotonic())
                else:
                    await self._try_types(session, plan)
            await self._compare(session, read_plans)
            await self._subscribe(session, read_plans)

    async def _find(self, session: Session, nodes: Sequence[Node]) -> None:
        found, missing = await resolve(session, nodes)
        self._ids |= found
        for node, why in missing.items():
            self._warn_once(f"{node}: {why}")

    async def _try_types(self, session: Session, plan: WritePlan) -> None:
        try:
            await self._find_types(session, plan)
        except Refused as error:  # the inputs may be well, and each write will say it again
            self._warn_once(f"cannot be written: {error}")

    async def _find_types(self, session: Session, plan: WritePlan) -> None:
        missing = [tag for tag, node in zip(plan.tags, plan.nodes, strict=True) if node not in self._ids]
        refuse([f"{tag.name} ({tag.address}): the server has no such node" for tag in missing])
        self._types[plan] = await output_types(session, plan.tags, [self._ids[node] for node in plan.nodes])

    async def _compare(self, session: Session, plans: Sequence[ReadPlan]) -> None:
        tags = {tag.name: tag for plan in plans for tag in plan.tags}
        for text in await differences(session, list(tags.values()), self._ids):
            self._warn_once(text)

    async def _subscribe(self, session: Session, plans: Sequence[ReadPlan]) -> None:
        made_all = []
        for plan in plans:
            located = self._located[plan]
            if plan.period is None or not located.requests:
                continue
            wanted = [Monitored(plan.period)] * len(located.requests)
            for row, address in enumerate(plan.addresses):
                request = row if located.where is None else located.where[row]
                if request >= 0 and address.monitored:
                    # A part of a value is no number to the server, so that it can compare no change of it.
                    deadband = 0.0 if address.field else address.monitored.deadband
                    wanted[request] = replace(address.monitored, deadband=deadband)
            made = Subscription(session, located.requests, wanted, plan.period, self.timeout)
            self._subscriptions[plan] = made
            await made.create(self._warn_once)
            made_all.append(made)
        if made_all and self._publisher is None:
            self._publisher = Publisher(session, made_all, self.timeout, self.on_lost)
        elif made_all and self._publisher is not None:
            self._publisher.add(made_all)

    async def read(self, plan: ReadPlan) -> Columns:
        """Return the Value of every tag (Part 4, 5.10.2), read or as the subscription last told it.

        A plan that is younger than the session is set up by its first read.

        Raises:
            LinkDown: no answer, or one that does not fit.
        """
        session = self.session
        if plan not in self._located:
            await self._set_up(session, [plan])
        located = self._located[plan]
        subscription = self._subscriptions.get(plan)
        if subscription is None:
            values = await session.read_values(located.requests)
            at = time.monotonic_ns()
        else:
            assert self._publisher is not None
            self._publisher.check()
            values = await subscription.values()
            at = subscription.heard_at
        await self._locate_again(session, plan, located, values)
        columns = plan.reader.columns(located.spread(values), located.decoders, at)
        plan.times.look(columns, time.time())
        return columns

    async def _locate_again(self, session: Session, plan: ReadPlan, located: Located, values: Values) -> None:
        """Look for nodes that the server does not know, once in a while: a download may have moved them."""
        if time.monotonic() < located.located_at + LOCATE_AGAIN:
            return
        located.located_at = time.monotonic()
        missing = located.where is not None and -1 in located.where
        if not missing and _UNKNOWN.isdisjoint(values.status):
            return
        before = dict(self._ids)
        async with _deadline(self.url, self.timeout):
            await session.look()
            await self._find(session, plan.nodes)
        if self._ids != before:
            raise LinkDown(f"{self.url}: the nodes of the server changed", Reason.NO_LINK)

    async def write(self, plan: WritePlan, values: Sequence[float]) -> None:
        """Write all values in one request (Part 4, 5.10.4), each in exactly its node's type.

        Raises:
            LinkDown: no answer; what was written is unknown.
            Refused: a node is unknown, not writable, no number, of a type that cannot hold its value (then
                nothing was sent), or its status came back Bad.
        """
        session = self.session
        if plan not in self._types:
            await self._find(session, plan.nodes)
            await self._find_types(session, plan)
        rows = zip(plan.tags, plan.nodes, self._types[plan], values, strict=True)
        items = [item(tag, self._ids[node], kind, value) for tag, node, kind, value in rows]
        answers = list(zip(plan.tags, await session.write(items), strict=True))
        if any(status.value in _CHANGED for _, status in answers):
            del self._types[plan]  # found anew by the next write
        refuse([said(tag, status) for tag, status in answers if not status.is_good()])

    async def keep(self, plans: Sequence[ReadPlan | WritePlan]) -> None:
        """Forget all other plans, and end their subscriptions. Raises `LinkDown`."""
        gone = [subscription for plan, subscription in self._subscriptions.items() if plan not in plans]
        self._plans = [plan for plan in self._plans if plan in plans]
        self._located = {plan: where for plan, where in self._located.items() if plan in plans}
        self._types = {plan: types for plan, types in self._types.items() if plan in plans}
        self._subscriptions = {plan: s for plan, s in self._subscriptions.items() if plan in plans}
        if gone and self._publisher is not None:
            await self._publisher.end(gone)
            if not self._subscriptions:
                self._publisher = None

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    def _warn(self, text: str) -> None:
        _log.warning("%s: %s", self.url, text)

    @property
    def session(self) -> Session:
        """The open session. Raises `LinkDown` if there is none, or none to be used any more."""
        if self._session is None:
            raise LinkDown(f"{self.url} is not connected")
        if self._session.moved is not None:
            raise self._session.moved
        return self._session

    async def close(self) -> None:
        """Close within `session.CLOSE_GRACE`, whatever the server does."""
        session, publisher = self._session, self._publisher
        self._forget()
        if publisher is not None:
            await publisher.close()
        if session is not None:
            await session.close()


@asynccontextmanager
async def _deadline(url: str, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise LinkDown(f"{url}: no session within {seconds:g} s", Reason.TIMEOUT) from None
