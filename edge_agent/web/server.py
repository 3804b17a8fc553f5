"""The page's HTTP server, in the agent's own event loop: bounded in connections, and ended in a second."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Generator
from pathlib import Path

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge_agent import credentials
from edge_agent.config.web import Web
from edge_agent.credentials import NoCredential
from edge_agent.observed import Observed
from edge_agent.web.feed import Feed
from edge_agent.web.moving import moved
from edge_agent.web.routes import application

log = logging.getLogger(__name__)

CONNECTIONS = 64
"""Open at once, the streams of open pages among them; the next is told 503."""
PATIENCE = 10.0
"""Seconds that a connection may be open without a request under way."""
STALLED = 20_000
"""Milliseconds after which the kernel drops a reader that takes nothing (tcp(7), TCP_USER_TIMEOUT)."""
RETRY = 10.0
"""Seconds between attempts to listen where the port is taken."""
STOP_DEADLINE = 1
"""Seconds that open answers have at the end."""


class _Impatient(H11Protocol):
    """Closes a connection on which no request comes: it would hold one of the few places for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_later()

    def _look_later(self) -> None:
        self.loop.call_later(PATIENCE, self._look)

    def _look(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
        elif not self.transport.is_closing():
            self._look_later()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """The agent has its own signal handlers."""
        yield


class Served:
    """A page that can be served: its certificate is read, and its port is ours until `run` ends.

    `beside` is the listener of the page that it takes the place of: both may then listen at one port. Raises
    `NoCredential` and OSError.
    """

    def __init__(self, web: Web, observed: Observed, beside: socket.socket | None = None) -> None:
        self._feed = Feed(observed, writable=bool(web.token), language=web.language)
        self._config = _configured(web, application(web, observed, self._feed))
        self._web = web
        self.listener = _bound(web, beside)

    async def run(self) -> None:
        """Serve until cancelled."""
        log.info("web: the page is at %s", address(self._web))
        server = _Server(self._config)
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(self._feed.run())
            try:
                await server.serve(sockets=[self.listener])
            except asyncio.CancelledError:
                self._feed.close()
                await server.shutdown(sockets=[self.listener])
                raise
            finally:
                self.listener.close()
                feeding.cancel()

    def leave(self, web: Web | None) -> None:
        """Tell open pages where the page is from now on, None if nowhere."""
        self._feed.close(moved(self._web, web))


async def when_free(web: Web, observed: Observed) -> Served | None:
    """Return the page once its port is free; None, and told, if its certificate is none."""
    told = ""
    while True:
        try:
            return Served(web, observed)
        except (NoCredential, ssl.SSLError) as error:
            log.warning("web: certificate %s: %s; there is no page", web.certificate, error)
            return None
        except OSError as error:
            if str(error) != told:
                told = str(error)
                log.warning(
                    "web: %s: %s; the page is not there, all else goes on", address(web), error.strerror
                )
        await asyncio.sleep(RETRY)


def _configured(web: Web, app: ASGIApp) -> uvicorn.Config:
    """Return the server's configuration, TLS loaded. Raises `NoCredential`, and OSError as `ssl` does."""
    if web.certificate:
        credentials.read(web.certificate)  # says what is wrong with it, if anything is
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        http=_Impatient,
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=STOP_DEADLINE,
        ssl_certfile=Path(os.environ[credentials.DIRECTORY]) / web.certificate if web.certificate else None,
    )
    config.load()
    return config


def _bound(web: Web, beside: socket.socket | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    if beside is not None:
        # Only so long as one of the two is left can both have the port (socket(7), SO_REUSEPORT).
        beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener = socket.create_server((web.host, web.port), family=family, reuse_port=beside is not None)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED)
    return listener


def address(web: Web) -> str:
    """Return where a page is."""
    host = f"[{web.host}]" if ":" in web.host else web.host
    return f"{'https' if web.certificate else 'http'}://{host}:{web.port}/"
