"""How long a write takes, from the decision until it was read back, while 10,000 tags a second are read.

    python bench/write.py [--seconds 20]

50 devices of 200 tags at random among 1,000 registers, every second, as the agent reads them; on the other
side one server in C on libmodbus. Ten times a second one of the devices gets a block of 20 registers and is
asked whether it has it. The same writes without any reading stand beside it.
"""

import argparse
import asyncio
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import uvloop
from fleet import Fleet
from peers import HERE, compiled, running

from edge_agent.build import build
from edge_agent.config import load
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag
from edge_agent.device import Device, Written
from edge_agent.historian import Historian

EVERY = 0.1
BLOCK = range(30_000, 30_020)
SETTLED = 3.0
"""Seconds that are not counted."""
FLEET = Fleet(devices=50, tags=200, period=1.0, among=1000)


async def writes(devices: list[Device], seconds: float) -> list[float]:
    """Write to one device after the other; seconds until each was read back."""
    tags = [Tag(name=f"o{n}", address=Address(table="holding", offset=n, type="uint16")) for n in BLOCK]
    outputs = [device.declare(tags) for device in devices]
    await asyncio.sleep(SETTLED)
    took = []
    began = time.perf_counter()
    for n in range(int(seconds / EVERY)):
        await asyncio.sleep(max(0.0, began + n * EVERY - time.perf_counter()))
        device, output = devices[n % len(devices)], outputs[n % len(devices)]
        decided = time.perf_counter()
        outcome, detail = await device.write(output, [float(n % 1000)] * len(tags))
        assert outcome is Written.VERIFIED, detail
        took.append(time.perf_counter() - decided)
    return took


async def watched(config: Path, seconds: float, *, reading: bool) -> list[float]:
    async with asyncio.TaskGroup() as group:
        parts = build(load(config), Historian(config.parent), group)
        tasks = [group.create_task(device.run()) for device in parts.devices]
        if reading:
            tasks += [group.create_task(scan.run()) for scan in parts.scans]
        took = await writes(parts.devices, seconds)
        for task in tasks:
            task.cancel()
        for device in parts.devices:
            await device.close()
    return took


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--seconds", type=float, default=20)
    seconds = arguments.parse_args().seconds
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, running(compiled(Path(folder), HERE / "many.c")) as port:
        config = FLEET.write(Path(folder), port)
        for name, reading in (("no reading", False), ("10,000 tags a second", True)):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                took = runner.run(watched(config, seconds, reading=reading))
            p50, p99 = 1e3 * np.percentile(took, [50, 99])
            print(
                f"{name:<22} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  longest {1e3 * max(took):6.2f} ms"
                f"  {len(took)} writes",
                flush=True,
            )


if __name__ == "__main__":
    main()
