"""What is asked of a server: each service in as few requests as it takes, one answer for each node."""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar

from asyncua import Client, Node, ua
from asyncua.common.ua_utils import data_type_to_variant_type
from asyncua.ua.ua_binary import struct_from_binary

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua.breaking import breaking
from edge_agent.drivers.opcua.encoded import Wanted, read_request
from edge_agent.drivers.opcua.wire import Values, read_response

UNLIMITED = 10_000  # nodes in one request, where the server names no limit
PART = 250  # nodes in one read: between two parts others have their turn, here and on the server

T = TypeVar("T")
A = TypeVar("A")
Service = Literal["read", "write", "browse", "translate", "monitor"]


class Services:
    """The services of a session that is open. Every method raises `LinkDown` when the link breaks."""

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self._client = client
        self.limits: dict[Service, int] = {}
        """How many nodes one request may name: as the server told, or as was found out."""

    async def read(self, nodes: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        """Read attributes in as few requests as the server allows; one answer a node, in order."""

        async def ask(part: list[ua.ReadValueId]) -> list[ua.DataValue]:
            request = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Neither, NodesToRead=part)
            answer: list[ua.DataValue] = await self._client.uaclient.read(request)
            return answer

        return await self._listed("read", nodes, ask)

    async def read_values(self, nodes: Sequence[Wanted]) -> Values:
        """Read values with their times, as `read` does and in a quarter of its time."""
        values = Values()

        async def ask(part: list[Wanted]) -> int:
            answer = read_response(await self.request(read_request(part)))
            values.raw += answer.raw
            values.status += answer.status
            values.source += answer.source
            values.server += answer.server
            values.bits |= answer.bits
            return len(answer.raw)

        await self._in_parts("read", nodes, ask)
        return values

    async def request(self, request: Any, timeout: float | None = None) -> Any:
        """Send any request and return the undecoded answer; a fault of the service is raised."""
        return await self._client.uaclient._send_request(request, timeout)  # noqa: SLF001

    async def _in_parts(
        self, service: Service, nodes: Sequence[T], ask: Callable[[list[T]], Awaitable[int]]
    ) -> None:
        """Ask for all nodes in as few requests as the server takes; what it takes is halved until it does."""
        done = 0
        while done < len(nodes):
            at_once = min(self.limits.get(service, UNLIMITED), PART if service == "read" else UNLIMITED)
            part = list(nodes[done : done + at_once])
            with breaking(self.url):
                try:
                    answered = await ask(part)
                except ua.uaerrors.BadTooManyOperations:
                    if len(part) == 1:
                        raise
                    self.limits[service] = len(part) // 2
                    continue
            self._expect(len(part), answered)
            done += len(part)

    async def _listed(
        self, service: Service, nodes: Sequence[T], ask: Callable[[list[T]], Awaitable[list[A]]]
    ) -> list[A]:
        answers: list[A] = []

        async def count(part: list[T]) -> int:
            answer = await ask(part)
            answers.extend(answer)
            return len(answer)

        await self._in_parts(service, nodes, count)
        return answers

    async def translate(self, paths: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        """Follow browse paths; one result a path, in order."""
        follow = self._client.uaclient.translate_browsepaths_to_nodeids
        return await self._listed("translate", paths, follow)

    async def write(self, items: list[ua.WriteValue]) -> list[ua.StatusCode]:
        """Write all `items` in one request; one status an item, in order.

        Raises:
            Refused: too many for one request, which is never split: half of what belongs together is written
                by nobody.
        """
        request = ua.WriteParameters(NodesToWrite=items)
        with breaking(self.url):
            try:
                answer: list[ua.StatusCode] = await self._client.uaclient.write(request)
            except ua.uaerrors.BadTooManyOperations:
                raise Refused(f"{self.url} does not take {len(items)} writes at once") from None
        self._expect(len(items), len(answer))
        return answer

    async def create_subscription(self, period: float, lifetime: float) -> ua.CreateSubscriptionResult:
        """Create a subscription that publishes every `period`, in s, if only that nothing changed."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=1000 * period,
            RequestedLifetimeCount=max(3, math.ceil(lifetime / period)),
            RequestedMaxKeepAliveCount=1,
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
            Priority=0,
        )
        # Not asyncua's own call, which starts a task that publishes.
        answer = await self.request(request)
        return struct_from_binary(ua.CreateSubscriptionResponse, answer).Parameters

    async def delete_subscriptions(self, subscriptions: list[int]) -> None:
        """Have the server forget subscriptions; one that it forgot already is none the worse for it."""
        request = ua.DeleteSubscriptionsRequest()
        request.Parameters.SubscriptionIds = subscriptions
        await self.request(request)

    async def monitor(
        self, subscription: int, items: list[ua.MonitoredItemCreateRequest]
    ) -> list[ua.MonitoredItemCreateResult]:
        """Add items to a subscription; one result an item, in order."""

        async def ask(part: list[ua.MonitoredItemCreateRequest]) -> list[ua.MonitoredItemCreateResult]:
            request = ua.CreateMonitoredItemsParameters(subscription, ua.TimestampsToReturn.Both, part)
            made: list[ua.MonitoredItemCreateResult] = await self._client.uaclient.create_monitored_items(
                request
            )
            return made

        return await self._listed("monitor", items, ask)

    async def variant_type(self, data_type: ua.NodeId) -> ua.VariantType | None:
        """Return the built-in type that `data_type` is a subtype of, None if the server does not tell."""
        with breaking(self.url):
            try:
                return await data_type_to_variant_type(Node(self._client.uaclient.session, data_type))
            except ua.UaError:
                return None

    def _expect(self, n: int, answers: int) -> None:
        if answers != n:
            raise LinkDown(f"{self.url} gave {answers} answers for {n} nodes", Reason.BAD_REPLY)


def _below(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
        IncludeSubtypes=True,
        NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
        ResultMask=ua.BrowseResultMask.All,
    )


def attribute(node: ua.NodeId, kind: ua.AttributeIds = ua.AttributeIds.Value) -> ua.ReadValueId:
    """Return the request to read one attribute."""
    return ua.ReadValueId(NodeId=node, AttributeId=kind)
