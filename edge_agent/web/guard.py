"""Who may do what: headers that keep browsers careful, names that the page answers to, the token."""

import asyncio
import hmac
import logging

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_agent import credentials
from edge_agent.config.web import Web
from edge_agent.credentials import NoCredential

log = logging.getLogger(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from outside, no script in the page itself (Content Security Policy Level 3)."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
SHORTEST_TOKEN = 16
PAUSE = 1.0
"""Seconds that a wrong token costs, and that all others wait meanwhile: nobody guesses 128 bits so."""


def json_response(answer: object, status: int = 200) -> Response:
    """Return an answer as JSON; a number that is none is null."""
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


class Careful:
    """Adds the headers to every answer, and refuses names by which nobody should call this machine."""

    def __init__(self, app: ASGIApp, web: Web) -> None:
        self._app = app
        # A web site whose name points to 127.0.0.1 must not read the page through its visitor's browser.
        self._names = {"localhost", web.host, f"[{web.host}]", *web.hosts} if web.loopback else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 421."""

        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        name = Headers(scope=scope).get("host", "").lower()
        name = name if name.endswith("]") else name.rpartition(":")[0] or name
        if self._names is not None and name not in self._names:
            text = f"this page is not called {name!r}; add the name to web.hosts, or use localhost"
            await json_response({"error": text}, 421)(scope, receive, careful)
            return
        await self._app(scope, receive, careful)


class Refused(Exception):
    """A call that changes something is refused; `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Token:
    """The token of those who may acknowledge and shelve. Its credential is read at every use."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = asyncio.Lock()

    async def check(self, authorization: str) -> None:
        """Raise `Refused` unless the header ``Authorization: Bearer TOKEN`` has the token."""
        if not self._name:
            raise Refused(403, "this page only shows: the configuration names no web.token")
        async with self._lock:
            try:
                wanted = credentials.read(self._name).strip()
            except NoCredential as error:
                log.warning("web: %s", error)
                raise Refused(
                    503, "the token's credential cannot be read; the agent's log says why"
                ) from None
            if len(wanted) < SHORTEST_TOKEN:
                raise Refused(503, f"the token's credential is shorter than {SHORTEST_TOKEN} characters")
            scheme, _, given = authorization.partition(" ")
            given_bytes = given.strip().encode("utf-8", "replace")
            if scheme.lower() == "bearer" and hmac.compare_digest(given_bytes, wanted):
                return
            if given:
                log.warning("web: a wrong token was given")
                await asyncio.sleep(PAUSE)
        raise Refused(401, "this needs the token")
