"""One session with an OPC UA server: asyncua's client held so that it breaks in one way and ends at once.

asyncua's own `Client.connect` starts three background tasks that log, poll and leave the socket open
when they give up, so the steps of the handshake are taken one by one here, with one task that keeps
session and channel from expiring between scans.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from asyncua import Client, ua

from edge_agent.core.tags import Reason
from edge_agent.credentials import UserCertificate, UserName
from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import Insecure, breaking, tell_refusals
from edge_agent.drivers.opcua.clock import Clock
from edge_agent.drivers.opcua.security import Agreed
from edge_agent.drivers.opcua.services import Service, Services, attribute

SESSION_TIMEOUT = 15.0
"""Seconds, asked of the server, for which a lost session takes one of the few that a PLC has."""
CHANNEL_LIFETIME = 3_600_000  # ms, asked of the server
LONGEST_BEAT = 10.0
"""Seconds at most between two looks at what may not change while a session lives."""
CLOSE_GRACE = 0.5  # s to give the session back: a small PLC has five

_NAMESPACES, _TIME = ua.ObjectIds.Server_NamespaceArray, ua.ObjectIds.Server_ServerStatus_CurrentTime
_OF_TRANSLATE = (
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds
)
_LIMITS: dict[Service, int] = {
    "read": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "write": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
    "browse": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    "translate": _OF_TRANSLATE,
    "monitor": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
}


class Session(Services):
    """Opened once, closed once. Every method but `close` raises `LinkDown` when the link breaks.

    Without `agreed` the session is anonymous and nothing is signed or encrypted. The server may forget the
    session after `expiry`, in s, without a request. `clock` hears the server's time. `examine` is asked at
    every beat why the session has to end, if it has; that it ended so is told `on_ended`.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        agreed: Agreed | None = None,
        *,
        expiry: float = SESSION_TIMEOUT,
        clock: Clock | None = None,
        examine: Callable[[], Awaitable[LinkDown | None]] | None = None,
        on_ended: Callable[[LinkDown], None] | None = None,
    ) -> None:
        super().__init__(url, Client(url, timeout=timeout))
        self._agreed, self._clock, self._examine, self._on_ended = agreed, clock, examine, on_ended
        self._client.name = self._client.description = "edge-agent"
        self._client.session_timeout = 1000 * expiry
        self._client.secure_channel_timeout = CHANNEL_LIFETIME
        self._keeper: asyncio.Task[None] | None = None
        self.namespaces: list[str] = []
        self.ended: LinkDown | None = None
        """Why it must not be used any more, though the server would."""

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
            tell_refusals(client.uaclient.protocol)
            if self._agreed is None:
                await client.open_secure_channel()
                await client.create_session()
                await client.activate_session()
            else:
                await self._open_secured(self._agreed)
        self._keeper = asyncio.create_task(self._keep_alive())
        await self.look()

    async def look(self) -> None:
        """Ask for the namespaces, for how many nodes each request may name, and for the time."""
        asked = time.time()
        namespaces, now, *limits = await self.read(
            [attribute(ua.NodeId(name)) for name in (_NAMESPACES, _TIME, *_LIMITS.values())]
        )
        if not isinstance(namespaces.Value.Value, list):
            raise LinkDown(f"{self.url} does not tell its namespaces", Reason.BAD_REPLY)
        self.namespaces = namespaces.Value.Value
        told = {service: answer.Value.Value for service, answer in zip(_LIMITS, limits, strict=True)}
        self.limits = {service: most for service, most in told.items() if isinstance(most, int) and most}
        self._compare(now, asked)

    def _compare(self, answer: ua.DataValue, asked: float) -> None:
        theirs = answer.Value.Value
        if self._clock is not None and isinstance(theirs, datetime):
            self._clock.hear(theirs, (asked + time.time()) / 2)

    async def _open_secured(self, agreed: Agreed) -> None:
        client = self._client
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

    def check(self) -> None:
        """Raise `LinkDown` if the session has ended, and whatever a bug raised."""
        if self.ended is not None:
            raise self.ended
        if self._keeper is not None and self._keeper.done() and not self._keeper.cancelled():
            self._keeper.result()

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
        pause = min(LONGEST_BEAT, self._client.session_timeout / 1000 / 3, channel / 4)
        renew_at = loop.time() + channel / 2
        with suppress(LinkDown):
            while True:
                await asyncio.sleep(pause)
                self.ended = await self._beat()
                if self.ended is not None:
                    if self._on_ended is not None:
                        self._on_ended(self.ended)
                    return
                if loop.time() >= renew_at:
                    with breaking(self.url):
                        await self._client.open_secure_channel(renew=True)
                    renew_at = loop.time() + channel / 2

    async def _beat(self) -> LinkDown | None:
        """Ask for what may not change; return why the session has to end. Raises `LinkDown`."""
        asked = time.time()
        now, said = await self.read([attribute(ua.NodeId(name)) for name in (_TIME, _NAMESPACES)])
        self._compare(now, asked)
        # The nodes that were found may be others by now. A server must not do that (OPC 10000-5, 6.3.1).
        if (said.Value.Value or [])[: len(self.namespaces)] != self.namespaces:
            return LinkDown(f"{self.url}: the server's namespaces have other indices now")
        return None if self._examine is None else await self._examine()
