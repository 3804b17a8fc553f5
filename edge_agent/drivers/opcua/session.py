"""One session with an OPC UA server: asyncua's client held so that it breaks in one way and ends at once.

asyncua's own `Client.connect` starts three background tasks that log, poll and leave the socket open
when they give up, so the steps of the handshake are taken one by one here, with one task that keeps
session and channel from expiring between scans.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from asyncua import Client, Node, ua
from asyncua.common.ua_utils import data_type_to_variant_type
from asyncua.ua.ua_binary import struct_from_binary

from edge_agent.core.tags import Reason
from edge_agent.credentials import UserCertificate, UserName
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua.breaking import Insecure, breaking, tell_refusals
from edge_agent.drivers.opcua.security import Agreed
from edge_agent.drivers.opcua.wire import Values, read_response

SESSION_TIMEOUT = (
    15_000  # ms, asked of the server: so long a lost session takes one of the few that a PLC has
)
CHANNEL_LIFETIME = 3_600_000  # ms, asked of the server
CLOSE_GRACE = 0.5  # s to give the session back: a small PLC has five
UNLIMITED = 10_000  # nodes in one request, where the server names no limit
PART = 250  # nodes in one read: between two parts others have their turn, here and on the server

_NAMESPACES = ua.ObjectIds.Server_NamespaceArray
_LIMITS = (
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
)


class Session:
    """Opened once, closed once. Every method but `close` raises `LinkDown` when the link breaks.

    Without `agreed` the session is anonymous and nothing is signed or encrypted.
    """

    def __init__(self, url: str, timeout: float, agreed: Agreed | None = None) -> None:
        self.url = url
        self._agreed = agreed
        self._client = Client(url, timeout=timeout)
        self._client.name = self._client.description = "edge-agent"
        self._client.session_timeout = SESSION_TIMEOUT
        self._client.secure_channel_timeout = CHANNEL_LIFETIME
        self._keeper: asyncio.Task[None] | None = None
        self.namespaces: list[str] = []
        self._at_once = self._paths_at_once = self.items_at_once = UNLIMITED

    async def open(self) -> None:
        """Connect, and ask for the namespaces and for how many nodes may be read at once."""
        client = self._client
        if self._agreed is not None:
            client.application_uri = self._agreed.own.uri
            client.security_policy = self._agreed.policy()
            client.uaclient.set_security(client.security_policy)
        with breaking(self.url):
            await client.connect_socket()
            await client.send_hello()
            if self._agreed is None:
                await client.open_secure_channel()
                await client.create_session()
                await client.activate_session()
            else:
                await self._open_secured(self._agreed)
        self._keeper = asyncio.create_task(self._keep_alive())
        await self.look()

    async def look(self) -> None:
        """Ask for the namespaces, and for how many nodes each request may name."""
        namespaces, *limits = await self.read(
            [attribute(ua.NodeId(name)) for name in (_NAMESPACES, *_LIMITS)]
        )
        if not isinstance(namespaces.Value.Value, list):
            raise LinkDown(f"{self.url} does not tell its namespaces", Reason.BAD_REPLY)
        self.namespaces = namespaces.Value.Value
        said = [answer.Value.Value for answer in limits]
        self._at_once, self._paths_at_once, self.items_at_once = (
            limit if isinstance(limit, int) and limit else UNLIMITED for limit in said
        )

    async def _open_secured(self, agreed: Agreed) -> None:
        client = self._client
        tell_refusals(client.uaclient.protocol)
        try:
            await client.open_secure_channel()
        except ConnectionError:
            # Many servers just hang up on a certificate that they do not know (OPC 10000-6, 6.7.4).
            text = f"{self.url}: hung up on our certificate {agreed.own.file.name}; does the server trust it?"
            raise Insecure(text, "BadSecurityChecksFailed", ours=True) from None
        said = await client.create_session()
        agreed.confirm(self.url, said.ServerEndpoints)
        match agreed.login:
            case None:
                await client.activate_session()
            case UserName(name, password):
                agreed.may_send_password(self.url, client.server_policy(ua.UserTokenType.UserName))
                await client.activate_session(name, password)
            case UserCertificate(certificate, key):
                client.user_private_key = key
                await client.activate_session(certificate=certificate)

    async def read(self, nodes: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        """Read attributes in as few requests as the server allows; one answer a node, in order."""
        answers: list[ua.DataValue] = []

        async def ask(part: list[ua.ReadValueId]) -> int:
            request = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Neither, NodesToRead=part)
            answer: list[ua.DataValue] = await self._client.uaclient.read(request)
            answers.extend(answer)
            return len(answer)

        await self._in_parts(nodes, ask)
        return answers

    async def read_values(self, nodes: Sequence[ua.ReadValueId]) -> Values:
        """Read values with their source times, as `read` does and in a quarter of its time."""
        values = Values()

        async def ask(part: list[ua.ReadValueId]) -> int:
            request = ua.ReadRequest()
            request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
            request.Parameters.NodesToRead = part
            answer = read_response(await self.request(request))
            values.raw += answer.raw
            values.status += answer.status
            values.source += answer.source
            return len(answer.raw)

        await self._in_parts(nodes, ask)
        return values

    async def request(self, request: Any, timeout: float | None = None) -> Any:
        """Send any request and return the undecoded answer; a fault of the service is raised."""
        return await self._client.uaclient._send_request(request, timeout)  # noqa: SLF001

    async def _in_parts(
        self, nodes: Sequence[ua.ReadValueId], ask: Callable[[list[ua.ReadValueId]], Awaitable[int]]
    ) -> None:
        done = 0
        while done < len(nodes):
            part = list(nodes[done : done + min(PART, self._at_once)])
            with breaking(self.url):
                try:
                    answered = await ask(part)
                except ua.uaerrors.BadTooManyOperations:
                    if len(part) == 1:
                        raise
                    self._at_once = len(part) // 2
                    continue
            self._expect(len(part), answered)
            done += len(part)

    async def translate(self, paths: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        """Follow browse paths; one result a path, in order."""
        results: list[ua.BrowsePathResult] = []
        for start in range(0, len(paths), self._paths_at_once):
            part = paths[start : start + self._paths_at_once]
            with breaking(self.url):
                answer = await self._client.uaclient.translate_browsepaths_to_nodeids(part)
            self._expect(len(part), len(answer))
            results += answer
        return results

    async def browse(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        """Return the nodes below each, by hierarchical references but those to properties (Part 4, 5.8.2)."""
        request = ua.BrowseParameters(
            RequestedMaxReferencesPerNode=0,
            NodesToBrowse=[
                ua.BrowseDescription(
                    NodeId=node,
                    BrowseDirection=ua.BrowseDirection.Forward,
                    ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
                    IncludeSubtypes=True,
                    NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
                    ResultMask=ua.BrowseResultMask.All,
                )
                for node in nodes
            ],
        )
        with breaking(self.url):
            results = await self._client.uaclient.browse(request)
            self._expect(len(nodes), len(results))
            found = [await self._rest(result) for result in results]
        property_ = ua.NodeId(ua.ObjectIds.HasProperty)
        return [[r for r in references if r.ReferenceTypeId != property_] for references in found]

    async def _rest(self, result: ua.BrowseResult) -> list[ua.ReferenceDescription]:
        references = list(result.References or [])
        while result.ContinuationPoint:
            more = ua.BrowseNextParameters(False, [result.ContinuationPoint])
            [result] = await self._client.uaclient.browse_next(more)
            references += result.References or []
        return references

    async def write(self, items: list[ua.WriteValue]) -> list[ua.StatusCode]:
        """Write all `items` in one request; one status an item, in order.

        Raises:
            Refused: too many for one request.
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
        request = ua.CreateMonitoredItemsParameters(subscription, ua.TimestampsToReturn.Source, items)
        results: list[ua.MonitoredItemCreateResult] = await self._client.uaclient.create_monitored_items(
            request
        )
        self._expect(len(items), len(results))
        return results

    async def definition(self, data_type: ua.NodeId) -> Any:
        """Return the DataTypeDefinition of a data type, None if the server does not tell it."""
        [answer] = await self.read([attribute(data_type, ua.AttributeIds.DataTypeDefinition)])
        return None if answer.StatusCode.is_bad() else answer.Value.Value

    async def variant_type(self, data_type: ua.NodeId) -> ua.VariantType | None:
        """Return the built-in type that `data_type` is a subtype of, None if the server does not tell."""
        with breaking(self.url):
            try:
                return await data_type_to_variant_type(Node(self._client.uaclient.session, data_type))
            except ua.UaError:
                return None

    async def close(self) -> None:
        """Give the session back if the server still listens, and drop the socket. At most `CLOSE_GRACE`."""
        protocol = self._client.uaclient.protocol
        transport = protocol.transport if protocol is not None else None
        try:
            with suppress(LinkDown, TimeoutError):
                async with asyncio.timeout(CLOSE_GRACE):
                    if self._keeper is not None:
                        self._keeper.cancel()
                        await asyncio.wait({self._keeper})
                    if transport is not None:
                        with breaking(self.url):
                            await self._client.close_session()
                            await self._client.close_secure_channel()
        finally:
            if transport is not None:
                transport.abort()

    async def _keep_alive(self) -> None:
        """Read and renew often enough, until the link breaks: whoever uses it next will see that."""
        loop = asyncio.get_running_loop()
        channel = self._client.secure_channel_timeout / 1000
        pause = min(self._client.session_timeout / 1000 / 3, channel / 4)
        renew_at = loop.time() + channel / 2
        with suppress(LinkDown):
            while True:
                await asyncio.sleep(pause)
                await self.read([attribute(ua.NodeId(ua.ObjectIds.Server_ServerStatus_State))])
                if loop.time() >= renew_at:
                    with breaking(self.url):
                        await self._client.open_secure_channel(renew=True)
                    renew_at = loop.time() + channel / 2

    def _expect(self, n: int, answers: int) -> None:
        if answers != n:
            raise LinkDown(f"{self.url} gave {answers} answers for {n} nodes", Reason.BAD_REPLY)


def attribute(node: ua.NodeId, kind: ua.AttributeIds = ua.AttributeIds.Value) -> ua.ReadValueId:
    """Return the request to read one attribute."""
    return ua.ReadValueId(NodeId=node, AttributeId=kind)
