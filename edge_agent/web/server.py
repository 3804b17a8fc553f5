"""The page's HTTP server, in the agent's own event loop: bounded in connections, and ended in a second."""

import asyncio
import contextlib
import logging
import os
import socket
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


async def serve(web: Web, observed: Observed) -> None:
    """Serve the page until cancelled. Where it cannot be, that is told, and the agent goes on without it."""
    feed = Feed(observed, writable=bool(web.token))
    try:
        config = _configured(web, application(web, observed, feed))
    except (NoCredential, OSError) as error:
        log.warning("web: certificate %s: %s; there is no page", web.certificate, error)
        return
    listener = await _listen(web)
    log.info("web: the page is at %s", _address(web))
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(feed.run())
        try:
            await server.serve(sockets=[listener])
        except asyncio.CancelledError:
            feed.close()
            await server.shutdown(sockets=[listener])
            raise
        finally:
            feeding.cancel()


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


async def _listen(web: Web) -> socket.socket:
    """Return a listening socket, whenever the port is free."""
    told = ""
    while True:
        try:
            return _bound(web)
        except OSError as error:
            if str(error) != told:
                told = str(error)
                log.warning(
                    "web: %s: %s; the page is not there, all else goes on", _address(web), error.strerror
                )
        await asyncio.sleep(RETRY)


def _bound(web: Web) -> socket.socket:
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    listener = socket.create_server((web.host, web.port), family=family)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED)
    return listener


def _address(web: Web) -> str:
    host = f"[{web.host}]" if ":" in web.host else web.host
    return f"{'https' if web.certificate else 'http'}://{host}:{web.port}/"
