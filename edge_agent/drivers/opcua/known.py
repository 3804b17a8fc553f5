"""What is known of a server while one session lives: nodes, types, subscriptions."""

import time
from collections.abc import Callable, Sequence

from asyncua import ua

from edge_agent.core.tags import Columns, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua.breaking import deadline
from edge_agent.drivers.opcua.datatypes import describe
from edge_agent.drivers.opcua.plans import Located, ReadPlan, WritePlan, locate
from edge_agent.drivers.opcua.publisher import Publisher
from edge_agent.drivers.opcua.resolve import Node, resolve
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.status import SEMANTICS_CHANGED, STRUCTURE_CHANGED, code
from edge_agent.drivers.opcua.subscription import Subscription
from edge_agent.drivers.opcua.units import differences
from edge_agent.drivers.opcua.wire import Values
from edge_agent.drivers.opcua.writing import output_types, refuse

LOOK_AGAIN = 10.0
"""Seconds after which what does not fit is looked at again: nodes that are not there, types, units."""
DESCRIBE_AGAIN = 60.0
"""Seconds after which types are asked for again though all fits: other fields may have the same size."""
SETUP = 10
"""Timeouts that finding nodes and subscribing to them may take together, however many there are."""
_UNKNOWN = {ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid}


class Known:
    """Begins empty. `complain` is told, in words, what is not as it should be; `on_lost` is the driver's."""

    def __init__(
        self,
        session: Session,
        timeout: float,
        complain: Callable[[str], None],
        on_lost: Callable[[LinkDown], None] | None,
    ) -> None:
        self.session = session
        self.ids: dict[Node, ua.NodeId] = {}
        self.located: dict[ReadPlan, Located] = {}
        self.types: dict[WritePlan, list[ua.VariantType]] = {}
        self.subscriptions: dict[ReadPlan, Subscription] = {}
        self.publisher: Publisher | None = None
        self._timeout, self._complain, self._on_lost = timeout, complain, on_lost

    async def learn(self, plans: Sequence[ReadPlan | WritePlan]) -> None:
        """Find the nodes of plans and the types of outputs; subscribe. Raises `LinkDown`."""
        session = self.session
        read_plans = [plan for plan in plans if isinstance(plan, ReadPlan)]
        async with deadline(session.url, SETUP * self._timeout):
            await self._find([node for plan in plans for node in plan.nodes])
            for plan in plans:
                if isinstance(plan, ReadPlan):
                    self.located[plan] = await locate(session, plan, self.ids, time.monotonic())
                else:
                    await self._try_types(plan)
            tags = {tag.name: tag for plan in read_plans for tag in plan.tags}
            await self._compare(list(tags.values()))
            await self._subscribe(read_plans)

    async def types_of(self, plan: WritePlan) -> list[ua.VariantType]:
        """Return the type of each output, found now if need be. Raises `LinkDown` and `Refused`."""
        if plan not in self.types:
            await self._find(plan.nodes)
            await self._find_types(plan)
        return self.types[plan]

    async def look_again(self, plan: ReadPlan, values: Values, columns: Columns) -> None:
        """Look again at what does not fit, once in a while: a download may have moved nodes or changed types.

        `columns` are what was made of `values`. Raises `LinkDown` if nodes are there, or elsewhere, now.
        """
        located = self.located[plan]
        located.changed |= values.bits & (SEMANTICS_CHANGED | STRUCTURE_CHANGED)
        if time.monotonic() < located.looked_at + LOOK_AGAIN:
            return
        located.looked_at = time.monotonic()
        changed, located.changed, values.bits = located.changed, 0, 0
        missing = located.where is not None and -1 in located.where
        if missing or not _UNKNOWN.isdisjoint(map(code, values.status)):
            await self._find_again(plan)
        if changed & SEMANTICS_CHANGED:
            await self._compare(plan.tags)
        if changed & STRUCTURE_CHANGED or self._is_doubtful(plan, located, columns):
            await self._describe(plan, located)

    async def _find_again(self, plan: ReadPlan) -> None:
        before = dict(self.ids)
        async with deadline(self.session.url, self._timeout):
            await self.session.look()
            await self._find(plan.nodes)
        if self.ids != before:
            raise LinkDown(f"{self.session.url}: the nodes of the server changed", Reason.NO_LINK)

    def _is_doubtful(self, plan: ReadPlan, located: Located, columns: Columns) -> bool:
        old = time.monotonic() > located.described_at + DESCRIBE_AGAIN
        structured = plan.structured
        return bool(structured) and (old or bool((columns.reason[structured] == Reason.UNDECODABLE).any()))

    async def _describe(self, plan: ReadPlan, located: Located) -> None:
        before, located.described_at = located.described, time.monotonic()
        async with deadline(self.session.url, SETUP * self._timeout):
            located.described = await describe(self.session, plan.tags, self.ids)
        now = located.described.decoders
        for row, decoder in before.decoders.items():
            if now.get(row) != decoder:
                tag = plan.tags[row]
                self._complain(f"{tag.name} ({tag.address}) has another structure now and is read by that")

    async def _compare(self, tags: Sequence[Tag]) -> None:
        for text in await differences(self.session, tags, self.ids):
            self._complain(text)

    async def keep(self, plans: Sequence[ReadPlan | WritePlan]) -> None:
        """Forget all other plans, and end their subscriptions. Raises `LinkDown`."""
        gone = [subscription for plan, subscription in self.subscriptions.items() if plan not in plans]
        self.located = {plan: where for plan, where in self.located.items() if plan in plans}
        self.types = {plan: types for plan, types in self.types.items() if plan in plans}
        self.subscriptions = {plan: s for plan, s in self.subscriptions.items() if plan in plans}
        if gone and self.publisher is not None:
            await self.publisher.end(gone)
            if not self.subscriptions:
                self.publisher = None

    async def close(self) -> None:
        """Close the session within `session.CLOSE_GRACE`, whatever the server does."""
        if self.publisher is not None:
            await self.publisher.close()
        await self.session.close()

    async def _find(self, nodes: Sequence[Node]) -> None:
        found, missing = await resolve(self.session, nodes)
        self.ids |= found
        for node, why in missing.items():
            self._complain(f"{node}: {why}")

    async def _try_types(self, plan: WritePlan) -> None:
        try:
            await self._find_types(plan)
        except Refused as error:  # the inputs may be well, and each write will say it again
            self._complain(f"cannot be written: {error}")

    async def _find_types(self, plan: WritePlan) -> None:
        missing = [tag for tag, node in zip(plan.tags, plan.nodes, strict=True) if node not in self.ids]
        refuse([f"{tag.name} ({tag.address}): the server has no such node" for tag in missing])
        nodes = [self.ids[node] for node in plan.nodes]
        self.types[plan] = await output_types(self.session, plan.tags, nodes)

    async def _subscribe(self, plans: Sequence[ReadPlan]) -> None:
        made_all = []
        for plan in plans:
            located = self.located[plan]
            if plan.period is None or not located.requests:
                continue
            monitored = located.monitored(plan, plan.period)
            tags = located.first_tags(plan)
            made = Subscription(
                self.session, located.requests, monitored, tags, period=plan.period, timeout=self._timeout
            )
            self.subscriptions[plan] = made
            await made.create(self._complain)
            made_all.append(made)
        if made_all and self.publisher is None:
            self.publisher = Publisher(self.session, made_all, self._timeout, self._on_lost)
        elif made_all and self.publisher is not None:
            self.publisher.add(made_all)
