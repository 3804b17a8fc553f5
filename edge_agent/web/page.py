"""The operator page through changes of its configuration: one serves until the next one can."""

import asyncio
import importlib
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.asking import Spawner
from edge_agent.config import ConfigError
from edge_agent.config.web import Web
from edge_agent.credentials import NoCredential
from edge_agent.observed import Observed

if TYPE_CHECKING:
    from edge_agent.web.server import Served

END_DEADLINE = 5.0
"""Seconds for the page before to end; open answers have one of them."""


class Change(NamedTuple):
    """What the page becomes: `web` says how it is served, None for not at all."""

    web: Web | None
    served: "Served | None"

    def discard(self) -> None:
        """Give it up."""
        if self.served is not None:
            self.served.listener.close()


class Page:
    """The page of an agent. Its server is imported with the first one, for the memory that it costs."""

    def __init__(self, observed: Observed, spawner: Spawner) -> None:
        self._observed, self._spawner = observed, spawner
        self._web: Web | None = None
        self._served: Served | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, web: Web) -> None:
        """Serve as soon as the port is free; the agent does not need its page."""
        self._web, self._task = web, self._spawner.create_task(self._serve(web))

    async def prepare(self, web: Web | None) -> Change:
        """Make ready what the page becomes. Raises `ConfigError`; then it is as it was."""
        if web is None or web == self._web:
            return Change(web, None)
        await _imported()
        from edge_agent.web.server import Served, address  # noqa: PLC0415 - costs memory

        beside = self._served.listener if self._served else None
        try:
            return Change(web, Served(web, self._observed, beside))
        except NoCredential as error:
            raise ConfigError([f"web: {error}"]) from None
        except OSError as error:
            raise ConfigError([f"web: {address(web)}: {error.strerror or error}"]) from None

    async def take(self, change: Change) -> None:
        """Change over; pages that are open are told."""
        if change.web == self._web:
            return
        before, task = self._served, self._task
        self._web, self._served, self._task = change.web, change.served, None
        if change.served:
            self._task = self._spawner.create_task(change.served.run())
        if before:
            before.leave(change.web)
        if task:
            task.cancel()
            await asyncio.wait({task}, timeout=END_DEADLINE)

    async def _serve(self, web: Web) -> None:
        await _imported()
        from edge_agent.web.server import when_free  # noqa: PLC0415 - costs memory

        self._served = await when_free(web, self._observed)
        if self._served:
            await self._served.run()


async def _imported() -> None:
    """Import the server in a thread: the first time takes longer than a cycle."""
    await asyncio.to_thread(importlib.import_module, "edge_agent.web.server")
