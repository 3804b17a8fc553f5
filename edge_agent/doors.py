"""The two sockets in the state folder, one to look at the agent and one to ask something of it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_agent import control
from edge_agent.build import Parts
from edge_agent.historian import Historian
from edge_agent.hold import takes_nothing
from edge_agent.status import SOCKET, Status

log = logging.getLogger(__name__)

AGAIN = 10.0
"""Seconds between attempts to make the sockets on a disk that takes none."""


class Doors:
    """`status` and `parts` are None until there is something to look at."""

    def __init__(
        self,
        state: Path,
        historian: Historian,
        status: Callable[[], Status | None],
        parts: Callable[[], Parts | None],
    ) -> None:
        self._state, self._historian, self._status, self._parts = state, historian, status, parts
        self._servers: list[asyncio.AbstractServer] = []

    async def _open(self) -> None:
        """Serve both. Raises OSError; then none is served."""
        try:
            self._servers.append(await self._serve_status())
            self._servers.append(await control.serve(self._state, self._parts, self._historian))
        except OSError:
            self.close()
            raise

    async def open_later(self) -> None:
        """Try until the disk takes them."""
        while True:
            await asyncio.sleep(AGAIN)
            with contextlib.suppress(OSError):
                await self._open()
                log.info("%s: edge-agent status and orders are answered again", self._state)
                return

    async def open(self) -> bool:
        """Serve both; return whether the disk takes them. Raises OSError where waiting mends nothing."""
        try:
            await self._open()
        except OSError as error:
            if not takes_nothing(error):
                raise
            text = f"{self._state}: {error.strerror}; no edge-agent status, no orders, no history"
            log.warning("%s; inference goes on", text)
            self._historian.event("agent", "state folder", text)
            return False
        return True

    def close(self) -> None:
        """Answer nobody any more."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def remove(self) -> None:
        """Remove the sockets' files."""
        for socket in (SOCKET, control.SOCKET):
            with contextlib.suppress(OSError):
                (self._state / socket).unlink(missing_ok=True)

    async def _serve_status(self) -> asyncio.Server:
        path = self._state / SOCKET
        path.unlink(missing_ok=True)

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if (status := self._status()) is not None:
                writer.write(msgspec.json.encode(status))
            writer.close()

        server = await asyncio.start_unix_server(answer, path)
        path.chmod(0o600)
        return server
