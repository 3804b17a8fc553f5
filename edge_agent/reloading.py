"""The configuration in force, and how another takes its place: on SIGHUP, or when a trial has ended."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Protocol

from edge_agent import health, reconfigured
from edge_agent.bundles.store import StoreError
from edge_agent.bundles.trial import begin, give_up, journal, take_over
from edge_agent.config import Config, ConfigError
from edge_agent.historian import Historian
from edge_agent.running import ModelRefused, Running
from edge_agent.vanished import vanished
from edge_agent.web.page import Page

log = logging.getLogger(__name__)

_GONE = "is in force and no longer in the file: a restart takes that over, if the file is whole"


class Reload(Protocol):
    """Reads the configuration again, as `config.load` does it. Raises `ConfigError`."""

    def __call__(self, *, lenient: bool = False) -> Config:
        """Return it."""
        ...


class Reloading:
    """Of one agent. `read` reads the configuration again; None if there is no file to read."""

    def __init__(self, config: Config, read: Reload | None, historian: Historian) -> None:
        self.config = config
        self._state = Path(config.state)
        self._read, self._historian = read, historian
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read the configuration again."""
        self._asked.set()

    def begin(self) -> None:
        """Count this start for what is on trial; what it was given up for is in force then."""
        while (begin(self.config) or reconfigured.begin(self.config)) and self._read is not None:
            self.config = self._read(lenient=True)

    async def run(self, running: Running, page: Page) -> None:
        """Take over what was read, each time that somebody asks for it."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            health.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                config = await self._changed()
                await _change(running, page, config)
                self.config = config
                take_over(config)
                log.info("reload: the new configuration is in force")
                self._historian.event(self.config.name, "reload", "done")
            except ConfigError as error:
                self._refuse(error.errors)
                reconfigured.refused(self.config, "; ".join(error.errors))
            except ModelRefused as error:
                self._refuse([str(error)])
                reconfigured.refused(self.config, str(error))
                self._give_up(config, error)
            self.journal()
            health.notify("READY=1")

    def journal(self) -> None:
        """Put what has changed in the store into the history."""
        try:
            journal(self._state, {m.stored for m in self.config.machines if m.stored}, self._historian)
        except (StoreError, OSError) as error:
            log.warning("bundles: their changes are not in the history: %s", error)

    async def _changed(self) -> Config:
        """Read the configuration again. Raises `ConfigError`, also for what only a restart can change."""
        if self._read is None:
            raise ConfigError(["this agent has no configuration file to read again"])
        config = await asyncio.to_thread(self._read)
        if _only_at_start(config) != _only_at_start(self.config):
            what = "agent: name, state, history, metrics, mqtt, opcua-server and fleet"
            raise ConfigError([f"{what} can only change with a restart"])
        # The office's is whole by its signature. A file may be cut off, or not be written to its end yet.
        if config.remote == self.config.remote and (gone := vanished(self.config, config)):
            raise ConfigError([f"{name} {_GONE}" for name in gone])
        return config

    def _refuse(self, errors: list[str]) -> None:
        for line in errors:
            log.warning("reload: %s", line)
        log.warning("reload: refused; the configuration before stays in force")
        self._historian.event(self.config.name, "reload", "refused: " + "; ".join(errors))

    def _give_up(self, config: Config, refused: ModelRefused) -> None:
        """Let the store say what runs on; else what cannot be proven would be tried at every start."""
        for name in {m.stored for m in config.machines if m.stored and m.bundle is refused.bundle}:
            try:
                give_up(self._state, name, refused.bundle.sha256, str(refused), late=refused.late)
            except (StoreError, OSError) as error:
                log.warning("bundle %s: %s", name, error)


async def _change(running: Running, page: Page, config: Config) -> None:
    """Run by another configuration, or raise `ConfigError` or `ModelRefused` and change nothing."""
    change = await page.prepare(config.web)
    try:
        await running.change(config)
    except ModelRefused:
        change.discard()
        raise
    await page.take(change)


def _only_at_start(config: Config) -> object:
    return config.name, config.state, config.history, config.metrics, config.north
