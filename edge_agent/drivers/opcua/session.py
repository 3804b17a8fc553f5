"""One session with an OPC UA server: asyncua's client held so that it breaks in one way and ends at once.

asyncua's own `Client.connect` starts three background tasks that log, poll and leave the socket open
when they give up, so the steps of the handshake are taken one by one here, with one task that keeps
session and channel from expiring between scans.
"""

import asyncio
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from asyncua import Client, Node, ua
from asyncua.common.ua_utils import data_type_to_variant_type

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown, Refused

SESSION_TIMEOUT = 60_000  # ms, asked of the server
CHANNEL_LIFETIME = 3_600_000  # ms, asked of the server
CLOSE_GRACE = 0.5  # s to give the session back: a small PLC has five
UNLIMITED = 10_000  # nodes in one read, where the server names no limit

# What asyncua's decoder was seen to raise on damaged replies.
_UNREADABLE = (ua.UaError, struct.error, ValueError, TypeError, LookupError, AttributeError, AssertionError)


class Session:
    """Opened once, closed once. Every method but `close` raises `LinkDown` when the link breaks."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        self._client = Client(url, timeout=timeout)
        self._client.session_timeout = SESSION_TIMEOUT
        self._client.secure_channel_timeout = CHANNEL_LIFETIME
        self._keeper: asyncio.Task[None] | None = None
        self.namespaces: list[str] = []
        self._at_once = UNLIMITED

    async def open(self) -> None:
        """Connect, and ask for the namespaces and for how many nodes may be read at once."""
        client = self._client
        with self._breaking():
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            await client.create_session()
            await client.activate_session()
        self._keeper = asyncio.create_task(self._keep_alive())
        namespaces, limit = await self.read(
            [
                attribute(ua.NodeId(ua.ObjectIds.Server_NamespaceArray)),
                attribute(ua.NodeId(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)),
            ]
        )
        if not isinstance(namespaces.Value.Value, list):
            raise LinkDown(f"{self.url} does not tell its namespaces", Reason.BAD_REPLY)
        self.namespaces = namespaces.Value.Value
        if isinstance(limit.Value.Value, int):
            self._at_once = limit.Value.Value or UNLIMITED

    async def read(self, nodes: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        """Read all `nodes` in as few requests as the server allows; one answer a node, in order."""
        answers: list[ua.DataValue] = []
        while len(answers) < len(nodes):
            part = nodes[len(answers) : len(answers) + self._at_once]
            request = ua.ReadParameters(
                TimestampsToReturn=ua.TimestampsToReturn.Neither, NodesToRead=list(part)
            )
            with self._breaking():
                try:
                    answer: list[ua.DataValue] = await self._client.uaclient.read(request)
                except ua.uaerrors.BadTooManyOperations:
                    if len(part) == 1:
                        raise
                    self._at_once = len(part) // 2
                    continue
            self._expect(len(part), len(answer))
            answers += answer
        return answers

    async def write(self, items: list[ua.WriteValue]) -> list[ua.StatusCode]:
        """Write all `items` in one request; one status an item, in order.

        Raises:
            Refused: too many for one request.
        """
        request = ua.WriteParameters(NodesToWrite=items)
        with self._breaking():
            try:
                answer: list[ua.StatusCode] = await self._client.uaclient.write(request)
            except ua.uaerrors.BadTooManyOperations:
                raise Refused(f"{self.url} does not take {len(items)} writes at once") from None
        self._expect(len(items), len(answer))
        return answer

    async def variant_type(self, data_type: ua.NodeId) -> ua.VariantType | None:
        """Return the built-in type that `data_type` is a subtype of, None if the server does not tell."""
        with self._breaking():
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
                        with self._breaking():
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
                    with self._breaking():
                        await self._client.open_secure_channel(renew=True)
                    renew_at = loop.time() + channel / 2

    def _expect(self, n: int, answers: int) -> None:
        if answers != n:
            raise LinkDown(f"{self.url} gave {answers} answers for {n} nodes", Reason.BAD_REPLY)

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Turn what asyncua raises about a link or a reply into `LinkDown`."""
        try:
            yield
        except asyncio.CancelledError as error:
            if type(error) is asyncio.CancelledError:
                raise
            # On Python 3.11 asyncua can raise a subclass, which `asyncio.timeout` does not take for its own.
            raise asyncio.CancelledError from error
        except TimeoutError:
            raise LinkDown(f"{self.url}: no answer in time", Reason.TIMEOUT) from None
        except OSError as error:
            number = error.errno or 0  # negative from getaddrinfo, which names the error itself
            text = os.strerror(number) if number > 0 else error.strerror or error
            raise LinkDown(f"{self.url}: {text}") from error
        except ua.UaStatusCodeError as error:
            raise LinkDown(f"{self.url}: {ua.StatusCode(error.code).name}") from error
        except _UNREADABLE as error:
            text = f"{self.url}: a reply that cannot be read: {error!r}"
            raise LinkDown(text, Reason.BAD_REPLY) from error


def attribute(node: ua.NodeId, kind: ua.AttributeIds = ua.AttributeIds.Value) -> ua.ReadValueId:
    """Return the request to read one attribute."""
    return ua.ReadValueId(NodeId=node, AttributeId=kind)
