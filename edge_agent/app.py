"""The agent's life: build, start, run until told to stop, stop in order."""

import asyncio
import errno
import faulthandler
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from edge_agent import health
from edge_agent.asking import Spawner
from edge_agent.bugs import end_on_bug
from edge_agent.build import Parts
from edge_agent.bundles.store import StoreError
from edge_agent.bundles.telling import LOCK
from edge_agent.bundles.trial import Trial, begin, end_well, give_up, journal, keep
from edge_agent.config import Config, ConfigError
from edge_agent.control import SOCKET as CONTROL
from edge_agent.control import serve
from edge_agent.historian import Historian
from edge_agent.history.flight import FlightRecorder
from edge_agent.north.tellers import NOBODY, tellers
from edge_agent.observed import Observed
from edge_agent.running import ModelRefused, Running
from edge_agent.status import SOCKET

log = logging.getLogger(__name__)

BEAT = 0.25
"""Seconds between looks at who needs a heartbeat, and at who has made progress."""


class _Stopped(Exception):
    """The agent was told to stop."""


async def _end() -> None:
    raise _Stopped


def _only_at_start(config: Config) -> object:
    return config.name, config.state, config.history, config.web, config.metrics, config.north


def _only_one(state: Path) -> int:
    """Lock the state folder for this process and return the lock's descriptor. Raises OSError."""
    lock = os.open(state / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise OSError(errno.EBUSY, "another agent is running on this state folder") from None
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())  # for whoever has something to tell us
    return lock


class Reload(Protocol):
    """Reads the configuration again, as `config.load` does it. Raises `ConfigError`."""

    def __call__(self, *, lenient: bool = False) -> Config:
        """Return it."""
        ...


class App:
    """One agent. `run` returns once it was told to `stop`. `reload` reads the configuration again."""

    def __init__(self, config: Config, reload: Reload | None = None) -> None:
        self._config, self._read_again = config, reload
        self._state = Path(config.state)
        history = config.history
        flight = FlightRecorder(self._state, history.flight, history.age, history.free)
        self._historian = Historian(
            self._state, history.results, history.free, flight if history.flight else None
        )
        self._stop, self._reload = asyncio.Event(), asyncio.Event()
        self._started = 0.0
        self._running: Running | None = None
        self._north = NOBODY

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stop.set()

    @property
    def _parts(self) -> Parts | None:
        return self._running.parts if self._running else None

    async def run(self) -> None:
        """Run until `stop`. Raises OSError if the state folder cannot be used."""
        self._state.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        self._started = loop.time()
        lock = _only_one(self._state)
        self._historian.open()
        try:
            self._config = self._begin()
            server = await self._serve_status()
            control = await serve(self._state, lambda: self._parts, self._historian)
            async with asyncio.TaskGroup() as group:
                loop.set_exception_handler(end_on_bug(group))
                running = self._running = Running(self._config, self._historian, group)
                running.start()
                group.create_task(self._beat(running, group))
                self._north = tellers(self._config, lambda: running.parts)
                self._show(running, group)
                group.create_task(self._reload_when_asked(running))
                trial = Trial(self._state, self._config.trial, self._reload.set)
                group.create_task(trial.run(lambda: running.parts, self._historian))
                for teller in self._north.there:
                    group.create_task(teller.run())
                self._historian.event(self._config.name, "agent", "started")
                self._journal()
                await self._stop.wait()
                health.notify("STOPPING=1")
                end_well(self._config)
                keep(running.parts)
                await running.stop()
                server.close()
                control.close()
                # Ends whatever a slow device or a slow model still owes as well.
                group.create_task(_end())
        except* _Stopped:
            log.info("stopped")
        finally:
            await self._close()
            os.close(lock)

    async def _beat(self, running: Running, spawner: Spawner) -> None:
        """Heartbeats to the PLCs and to systemd, each only while what it stands for makes progress."""
        loop = asyncio.get_running_loop()
        ready, told = False, ""
        while True:
            await asyncio.sleep(BEAT)
            now, parts = loop.time(), running.parts
            hung = health.hung(parts, self._historian, now)
            text = health.status_text(parts, hung)
            if text != told:
                told = text
                health.notify(f"STATUS={text}")
            if hung:
                continue
            if not ready:
                ready = True
                health.notify("READY=1")
            health.notify("WATCHDOG=1")
            nanoseconds = int(now * 1e9)
            for machine in parts.machines:
                if machine.needs_beat(nanoseconds):
                    spawner.create_task(machine.finish(nanoseconds))

    async def _reload_when_asked(self, running: Running) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            health.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                config = await self._changed()
                await running.change(config)
                self._config = config
                log.info("reload: the new configuration is in force")
                self._historian.event(self._config.name, "reload", "done")
            except ConfigError as error:
                self._refuse(error.errors)
            except ModelRefused as error:
                self._refuse([str(error)])
                self._give_up(config, error)
            self._journal()
            health.notify("READY=1")

    def _refuse(self, errors: list[str]) -> None:
        for line in errors:
            log.warning("reload: %s", line)
        log.warning("reload: refused; the configuration before stays in force")
        self._historian.event(self._config.name, "reload", "refused: " + "; ".join(errors))

    def _begin(self) -> Config:
        """Count this start for the bundles on trial, and return the configuration with those that may run."""
        config = self._config
        while begin(config) and self._read_again is not None:
            config = self._read_again(lenient=True)
        return config

    def _give_up(self, config: Config, refused: ModelRefused) -> None:
        """Let the store say what runs on; else what cannot be proven would be tried at every start."""
        for name in {m.stored for m in config.machines if m.stored and m.bundle is refused.bundle}:
            try:
                give_up(self._state, name, refused.bundle.sha256, str(refused), late=refused.late)
            except (StoreError, OSError) as error:
                log.warning("bundle %s: %s", name, error)

    def _journal(self) -> None:
        try:
            journal(self._state, {m.stored for m in self._config.machines if m.stored}, self._historian)
        except (StoreError, OSError) as error:
            log.warning("bundles: their changes are not in the history: %s", error)

    async def _changed(self) -> Config:
        """Read the configuration again. Raises `ConfigError`, also for what only a restart can change."""
        if self._read_again is None:
            raise ConfigError(["this agent has no configuration file to read again"])
        config = await asyncio.to_thread(self._read_again)
        if _only_at_start(config) != _only_at_start(self._config):
            what = "agent: name, state, history, web, metrics, mqtt, opcua-server and fleet"
            raise ConfigError([f"{what} can only change with a restart"])
        return config

    def _show(self, running: Running, spawner: Spawner) -> None:
        """Start the page and the metrics where the configuration asks for them. Both are looked at only."""
        observed = self._observed(running)
        if metrics := self._config.metrics:
            # Imported here, as is the page, because it costs memory that most gateways keep.
            from edge_agent.metrics import registry, write_textfile  # noqa: PLC0415

            file = write_textfile(Path(metrics.textfile), metrics.every, registry(observed))
            spawner.create_task(file)
        if self._config.web:
            from edge_agent.web.server import serve  # noqa: PLC0415

            spawner.create_task(serve(self._config.web, observed))

    def _observed(self, running: Running) -> Observed:
        return Observed(lambda: running.parts, self._historian, self._started, self._north)

    async def _serve_status(self) -> asyncio.Server:
        path = self._state / SOCKET
        path.unlink(missing_ok=True)

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if running := self._running:
                writer.write(msgspec.json.encode(self._observed(running).status()))
            writer.close()

        server = await asyncio.start_unix_server(answer, path)
        path.chmod(0o600)
        return server

    async def _close(self) -> None:
        if self._running is not None:
            await self._running.close()
        self._historian.event(self._config.name, "agent", "stopped")
        self._historian.close()
        for socket in (SOCKET, CONTROL):
            (self._state / socket).unlink(missing_ok=True)


def run(config: Config, reload: Reload) -> None:
    """Run an agent until SIGTERM or SIGINT; SIGHUP takes over what `reload` returns."""
    # The watchdog's SIGABRT leaves the stack of whatever hung in the journal.
    faulthandler.enable()

    async def main() -> None:
        await App(config, reload).run()

    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(main())


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop if it is installed; None is asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    log.info("event loop: uvloop %s", uvloop.__version__)
    return factory
