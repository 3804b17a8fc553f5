"""The agent's life: build, start, run until told to stop, stop in order."""

import asyncio
import errno
import fcntl
import logging
import os
import signal
from pathlib import Path

import msgspec

from edge_agent import health
from edge_agent.build import Parts, build
from edge_agent.config import Config
from edge_agent.historian import Historian
from edge_agent.scan import Spawner
from edge_agent.status import SOCKET, snapshot

log = logging.getLogger(__name__)

LOCK = "lock"
BEAT = 0.25
"""Seconds between looks at who needs a heartbeat, and at who has made progress."""
STOP_DEADLINE = 5.0
"""Seconds for the last cycle to end, and again for the stop values to reach the PLCs."""


class _Stopped(Exception):
    """The agent was told to stop."""


async def _end() -> None:
    raise _Stopped


def _only_one(state: Path) -> int:
    """Lock the state folder for this process and return the lock's descriptor. Raises OSError."""
    lock = os.open(state / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise OSError(errno.EBUSY, "another agent is running on this state folder") from None
    return lock


class App:
    """One agent. `run` returns once it was told to `stop`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._state = Path(config.state)
        self._historian = Historian(self._state)
        self._stop = asyncio.Event()
        self._started = 0.0
        self.parts: Parts | None = None

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stop.set()

    async def run(self) -> None:
        """Run until `stop`. Raises OSError if the state folder cannot be used."""
        self._state.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        self._started = loop.time()
        lock = _only_one(self._state)
        self._historian.open()
        try:
            server = await self._bind_status()
            async with asyncio.TaskGroup() as group:
                parts = self.parts = build(self._config, self._historian, group)
                await server.start_serving()
                scans = [group.create_task(scan.run()) for scan in parts.scans]
                for device in parts.devices:
                    group.create_task(device.run())
                for model in parts.models:
                    group.create_task(model.run())
                group.create_task(self._beat(parts, group))
                self._historian.event(self._config.name, "agent", "started")
                await self._stop.wait()
                health.notify("STOPPING=1")
                for scan in parts.scans:
                    scan.stop()
                await asyncio.wait(scans, timeout=STOP_DEADLINE)
                await self._write_stop_values(parts)
                server.close()
                # Ends whatever a slow device or a slow model still owes as well.
                group.create_task(_end())
        except* _Stopped:
            log.info("stopped")
        finally:
            await self._close()
            os.close(lock)

    async def _beat(self, parts: Parts, spawner: Spawner) -> None:
        """Heartbeats to the PLCs and to systemd, each only while what it stands for makes progress."""
        loop = asyncio.get_running_loop()
        ready = False
        while True:
            await asyncio.sleep(BEAT)
            now = loop.time()
            if not health.progress(parts.scans, now):
                continue
            if not ready:
                ready = True
                health.notify("READY=1")
            health.notify("WATCHDOG=1")
            nanoseconds = int(now * 1e9)
            for machine in parts.machines:
                if machine.needs_beat(nanoseconds):
                    spawner.create_task(machine.finish(nanoseconds))

    async def _write_stop_values(self, parts: Parts) -> None:
        now = int(asyncio.get_running_loop().time() * 1e9)
        try:
            async with asyncio.timeout(STOP_DEADLINE):
                await asyncio.gather(*(machine.stop(now) for machine in parts.machines))
        except TimeoutError:
            log.warning("the stop values did not reach every PLC within %g s", STOP_DEADLINE)

    async def _bind_status(self) -> asyncio.Server:
        path = self._state / SOCKET
        path.unlink(missing_ok=True)

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            parts = self.parts
            assert parts is not None, "serving before there is anything to tell"
            uptime = asyncio.get_running_loop().time() - self._started
            writer.write(msgspec.json.encode(snapshot(self._config, parts, self._historian, uptime)))
            writer.close()

        server = await asyncio.start_unix_server(answer, path, start_serving=False)
        path.chmod(0o600)
        return server

    async def _close(self) -> None:
        if self.parts is not None:
            for model in self.parts.models:
                model.close()
            for device in self.parts.devices:
                await device.close()
        self._historian.event(self._config.name, "agent", "stopped")
        self._historian.close()
        (self._state / SOCKET).unlink(missing_ok=True)


def run(config: Config) -> None:
    """Run an agent until SIGTERM or SIGINT."""

    async def main() -> None:
        await App(config).run()

    asyncio.run(main())
