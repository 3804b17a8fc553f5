"""What a request costs the client alone: 50 devices read ten times a second, beside libmodbus and pymodbus.

    python bench/client.py [--rounds 5] [--seconds 8]

Ours are the agent's own scans, from the tick to the table of graded values, without a model, a recorder or a
history; then the same with pymodbus in the place of our own link. libmodbus' blocking client in C sends the
same requests and decodes nothing. All take turns on one server in C on libmodbus. Needs gcc, pkg-config and
libmodbus-dev.
"""

import argparse
import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop
from fleet import FLEETS, libmodbus
from peers import HERE, compiled, running

from edge_agent.build import build
from edge_agent.config import load
from edge_agent.historian import Historian

FLEET = FLEETS["50 devices at 100 ms, 100 in a row"]
SETTLED = 2.0
"""Seconds that are not counted."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=8)
    arguments.add_argument("--alone", type=Path, help="poll by this configuration and print what it cost")
    chosen = arguments.parse_args()
    if chosen.alone:
        print(uvloop.run(polled(chosen.alone, chosen.seconds)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        poll = compiled(folder, HERE / "poll.c")
        with running(compiled(folder, HERE / "many.c")) as port:
            clients = [configured(folder / driver, port, driver) for driver in ("modbus-tcp", "pymodbus")]
            rounds = []
            for _ in range(chosen.rounds):
                ours = [alone(config, chosen.seconds) for config in clients]
                theirs = [libmodbus(poll, port, FLEET, chosen.seconds, staggered) for staggered in (0, 1)]
                rounds.append([*ours, *theirs])
                print("  ".join(f"{cost:6.1f}" for cost in rounds[-1]), flush=True)
    names = (
        "edge-agent",
        'edge-agent, driver = "pymodbus"',
        "libmodbus, all at once",
        "libmodbus, each in turn",
    )
    print(f"\nus of CPU a request, median of {chosen.rounds}; edge-agent to it in the same round")
    for name, costs in zip(names, zip(*rounds, strict=True), strict=True):
        ratios = [round_[0] / cost for round_, cost in zip(rounds, costs, strict=True)]
        print(f"{name:34}{statistics.median(costs):7.1f}  {statistics.median(ratios):5.2f}")


def configured(folder: Path, port: int, driver: str) -> Path:
    """Write a configuration with this driver."""
    folder.mkdir()
    config = FLEET.write(folder, port)
    config.write_text(config.read_text().replace('driver = "modbus-tcp"', f'driver = "{driver}"'))
    return config


def alone(config: Path, seconds: float) -> float:
    """Microseconds of a request, in a process of its own."""
    command = [sys.executable, __file__, "--alone", str(config), "--seconds", str(seconds)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


async def polled(config: Path, seconds: float) -> float:
    """Scan, and return the processor time of one request in microseconds."""
    loaded = load(config)
    async with asyncio.TaskGroup() as group:
        parts = build(loaded, Historian(Path(loaded.state)), group)
        (scan,) = parts.scans
        scan.track = None
        tasks = [group.create_task(device.run()) for device in parts.devices]
        tasks.append(group.create_task(scan.run()))
        await asyncio.sleep(SETTLED)
        before, reads = used(), sum(device.reads for device in parts.devices)
        await asyncio.sleep(seconds)
        spent, reads = used() - before, sum(device.reads for device in parts.devices) - reads
        for task in tasks:
            task.cancel()
        for device in parts.devices:
            await device.close()
    return 1e6 * spent / reads


def used() -> float:
    """Seconds of processor time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
