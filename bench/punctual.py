"""How punctual scans are: beside a loaded core, and with silent devices among those that answer.

    python bench/punctual.py [--seconds 15]

The agent's own scans and devices, in this process, every 100 ms; on the other side one server in C on
libmodbus. A silent device is a socket that takes connections and never answers.
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from peers import HERE, compiled, running

from edge_agent.build import Parts, build
from edge_agent.config import load
from edge_agent.core.tags import Reason
from edge_agent.historian import Historian

PERIOD = 0.1
SETTLED = 3.0
"""Seconds that are not counted."""


def configuration(folder: Path, ports: dict[str, int]) -> Path:
    """Devices by name, each with 100 registers in a row."""
    rows = [f"t{n},holding,{n},uint16" for n in range(100)]
    (folder / "tags.csv").write_text("name,table,address,type\n" + "\n".join(rows) + "\n")
    devices = [
        f'[device.{name}]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n'
        f'scan = {PERIOD}\ntags = "tags.csv"\n'
        for name, port in ports.items()
    ]
    (folder / "config.toml").write_text('[agent]\nstate = "state"\n' + "".join(devices))
    return folder / "config.toml"


class Watch:
    """Notes when cycles start, and how long the devices named good* take to be read."""

    def __init__(self, parts: Parts) -> None:
        self.starts: list[float] = []
        self.reads: list[float] = []
        (scan,) = parts.scans
        self._cycle, scan._cycle = scan._cycle, self.cycle  # type: ignore[method-assign,assignment]  # noqa: SLF001
        for device in parts.devices:
            if device.name.startswith("good"):
                device.begin = self._timed(device.begin)  # type: ignore[method-assign]

    async def cycle(self, tick: int, until: float) -> None:
        self.starts.append(time.perf_counter() - tick * PERIOD)
        await self._cycle(tick, until)

    @property
    def late(self) -> list[float]:
        """How much later each scan started than the most punctual one did."""
        return [start - min(self.starts) for start in self.starts]

    def _timed(self, begin: Any) -> Any:
        def timed(plan: Any, done: Any) -> bool:
            began = time.perf_counter()

            def ended(reason: Reason) -> None:
                self.reads.append(time.perf_counter() - began)
                done(reason)

            begun: bool = begin(plan, ended)
            return begun

        return timed


async def watched(config: Path, seconds: float) -> Watch:
    """Poll for so long and return what was seen after it had settled."""
    async with asyncio.TaskGroup() as group:
        parts = build(load(config), Historian(config.parent), group)
        watch = Watch(parts)
        tasks = [group.create_task(scan.run()) for scan in parts.scans]
        tasks += [group.create_task(device.run()) for device in parts.devices]
        await asyncio.sleep(SETTLED)
        watch.starts.clear()
        watch.reads.clear()
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        for device in parts.devices:
            await device.close()
    return watch


def run(ports: dict[str, int], seconds: float) -> Watch:
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(watched(configuration(Path(folder), ports), seconds))


def spin(core: int) -> None:
    """Load one core for ever."""
    os.sched_setaffinity(0, {core})
    while True:
        pass


def line(name: str, figures: list[float]) -> str:
    p50, p99 = 1e3 * np.percentile(figures, [50, 99])
    return f"{name:<52} p50 {p50:7.2f} ms  p99 {p99:7.2f} ms  longest {1e3 * max(figures):7.2f} ms"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--seconds", type=float, default=15)
    seconds = arguments.parse_args().seconds
    logging.disable(logging.WARNING)
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0), backlog=1000) as silent,
        running(compiled(Path(folder), HERE / "many.c")) as port,
    ):
        print(line("scan start, 1 device", run({"good": port}, seconds).late))
        load_ = multiprocessing.Process(target=spin, args=(0,))
        load_.start()
        print(line("scan start, 1 device, the other core loaded", run({"good": port}, seconds).late))
        load_.kill()
        good = {f"good{n}": port for n in range(100)}
        mute = {f"silent{n}": silent.getsockname()[1] for n in range(100)}
        for _ in range(2):
            print(line("read of 100 devices", run(good, seconds).reads))
            print(line("read of the same among 100 silent ones", run(good | mute, seconds).reads))


if __name__ == "__main__":
    main()
