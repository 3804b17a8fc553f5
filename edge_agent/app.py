"""The agent's life: build, start, run until told to stop, stop in order."""

import asyncio
import faulthandler
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from edge_agent import health, reconfigured
from edge_agent.asking import Spawner
from edge_agent.bugs import end_on_bug
from edge_agent.build import Parts
from edge_agent.bundles.trial import Trial, end_well, keep
from edge_agent.config import Config
from edge_agent.core.resultblock import BEAT
from edge_agent.doors import Doors
from edge_agent.historian import Historian
from edge_agent.history.flight import FlightRecorder
from edge_agent.hold import hold
from edge_agent.moment import Suspend
from edge_agent.north.tellers import NOBODY, tellers
from edge_agent.observed import Observed
from edge_agent.reloading import Reload, Reloading
from edge_agent.running import Running
from edge_agent.status import Status
from edge_agent.web.page import Page

log = logging.getLogger(__name__)

FIRST_BEAT = 0.05
"""Seconds between looks until the first complete cycle, at which systemd goes on with what waits for it."""
NOTED = 2.0
"""Seconds that a disk may take at the end for what is not history."""


class _Stopped(Exception):
    """The agent was told to stop."""


async def _end() -> None:
    raise _Stopped


class App:
    """One agent. `run` returns once it was told to `stop`. `reload` reads the configuration again."""

    def __init__(self, config: Config, reload: Reload | None = None) -> None:
        self._state = Path(config.state)
        history = config.history
        flight = FlightRecorder(self._state, history.flight, history.age, history.free)
        self._historian = Historian(
            self._state, history.results, history.free, flight if history.flight else None
        )
        self._reloading = Reloading(config, reload, self._historian)
        self._stop = asyncio.Event()
        self._started = 0.0
        self._running: Running | None = None
        self._north = NOBODY
        self._doors = Doors(self._state, self._historian, self._status, lambda: self._parts)

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stop.set()

    @property
    def _config(self) -> Config:
        return self._reloading.config

    @property
    def _parts(self) -> Parts | None:
        return self._running.parts if self._running else None

    async def run(self) -> None:
        """Run until `stop`. Raises OSError if the state folder cannot be used."""
        self._state.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reloading.ask)
        self._started = loop.time()
        lock = hold(self._state)
        self._historian.open()
        try:
            self._reloading.begin()
            opened = await self._doors.open()
            async with asyncio.TaskGroup() as group:
                if not opened:
                    group.create_task(self._doors.open_later())
                loop.set_exception_handler(end_on_bug(group))
                running = self._running = Running(self._config, self._historian, group)
                running.start()
                group.create_task(self._beat(running, group))
                self._north = tellers(self._config, lambda: running.parts, self._historian)
                page = self._show(running, group)
                group.create_task(self._reloading.run(running, page))
                trial = Trial(self._state, self._config.trial, self._reloading.ask)
                group.create_task(trial.run(lambda: running.parts, self._historian))
                for teller in self._north.there:
                    group.create_task(teller.run())
                self._historian.event(self._config.name, "agent", "started")
                self._reloading.journal()
                await self._stop.wait()
                health.notify("STOPPING=1")
                # The PLCs first: they are told also where the disk hangs.
                await running.stop()
                self._doors.close()
                await self._end_well(running)
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
        start: health.Start | None = health.Start(loop.time())
        told = told_hung = ""
        suspend = Suspend()
        while True:
            await asyncio.sleep(FIRST_BEAT if start else BEAT)
            if slept := suspend.since():
                text = f"the box slept for {slept / 1e9:.1f} s; what was read before is not used"
                log.warning(text)
                self._historian.event(self._config.name, "slept", text)
            now, parts = loop.time(), running.parts
            hung = health.hung(parts, self._historian, now)
            text = health.status_text(parts, self._historian, hung)
            if text != told:
                told = text
                health.notify(f"STATUS={text}")
            if hung != told_hung and not (start or self._stop.is_set()):
                log.warning("no progress: %s", hung) if hung else log.info("everything makes progress again")
                told_hung = hung
            if hung:
                continue
            if start and start.over(parts, now):
                start = None
                health.notify("READY=1")
            health.notify("WATCHDOG=1")
            nanoseconds = int(now * 1e9)
            for machine in parts.machines:
                if machine.needs_beat(nanoseconds):
                    spawner.create_task(machine.finish(nanoseconds))

    def _show(self, running: Running, spawner: Spawner) -> Page:
        """Start the page and the metrics where the configuration asks for them. Both are looked at only."""
        observed = self._observed(running)
        if metrics := self._config.metrics:
            # Imported here because it costs memory that most gateways keep.
            from edge_agent.metrics import registry, write_textfile  # noqa: PLC0415

            file = write_textfile(Path(metrics.textfile), metrics.every, registry(observed))
            spawner.create_task(file)
        page = Page(observed, spawner)
        if self._config.web:
            page.start(self._config.web)
        return page

    def _observed(self, running: Running) -> Observed:
        return Observed(lambda: running.parts, self._historian, self._started, self._north)

    def _status(self) -> Status | None:
        return self._observed(self._running).status() if self._running else None

    async def _end_well(self, running: Running) -> None:
        """Note that this end is no failure of what is on trial, if the disk takes it in time."""

        def note() -> None:
            end_well(self._config)
            reconfigured.end_well(self._config)
            keep(running.parts)

        try:
            async with asyncio.timeout(NOTED):
                await asyncio.to_thread(note)
        except TimeoutError:
            log.warning("%s: the disk does not answer: this stop counts as a failed start", self._state)

    async def _close(self) -> None:
        if self._running is not None:
            await self._running.close()
        self._historian.event(self._config.name, "agent", "stopped")
        self._historian.close()
        self._doors.remove()


def run(config: Config, reload: Reload) -> None:
    """Run an agent until SIGTERM or SIGINT; SIGHUP takes over what `reload` returns."""
    # The watchdog's SIGABRT leaves the stack of whatever hung in the journal.
    faulthandler.enable()

    async def main() -> None:
        await App(config, reload).run()

    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(main())
        # All is closed. A thread that still waits for a name server would hold up the end for half a minute.
        logging.shutdown()
        os._exit(0)


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop if it is installed; None is asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    log.info("event loop: uvloop %s", uvloop.__version__)
    return factory
