"""What one scan cycle costs, beside the least that it can cost.

    python bench/cycle.py [--cycles 500] [--blocks 3] [--period 20]

The floor is a bare loop in C on libmodbus with the same requests, plus one bare call of the LiteRT
interpreter. The agent is the real one: device, machine, inference child, write, read-back, historian.
Floor and agent take turns in blocks, so that a drift of the machine meets both, and each talks to a
libmodbus server of its own. Needs gcc, pkg-config and libmodbus-dev.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import numpy as np
from peers import HERE, SERVER, Spent, compiled, configuration, floor_block, running

from edge_agent.build import Parts, build
from edge_agent.config.load import load
from edge_agent.core import resultblock
from edge_agent.core.resultblock import ResultBlock, State
from edge_agent.historian import Historian


def cpu_ns(pid: int) -> int:
    """Processor time of all threads of another process."""
    return sum(
        int(t.joinpath("schedstat").read_text().split()[0]) for t in Path(f"/proc/{pid}/task").iterdir()
    )


class Agent:
    """The agent's own parts, ticked by hand."""

    def __init__(self, parts: Parts) -> None:
        self.scan, self.device = parts.scans[0], parts.devices[0]
        self.machine, self.model = parts.machines[0], parts.models[0]
        self.table, self._tick = parts.table, 0

    async def ready(self) -> None:
        """Tick until the machine has results and its block is written."""
        while not self.machine.verdict.valid:
            await asyncio.sleep(0.01)
            await self.cycle()

    async def cycle(self) -> None:
        """One whole cycle, as the scan runs it."""
        self._tick += 1
        until = asyncio.get_running_loop().time() + self.scan.period
        await self.scan._cycle(self._tick, until)  # noqa: SLF001 - ticks must come at the bench's period

    async def block(self, cycles: int, period: float) -> Spent:
        """Run whole cycles."""
        assert self.model.pid
        spent: Spent = {"cycle": []}
        cpu = time.process_time_ns() + cpu_ns(self.model.pid)
        async for _ in ticks(cycles, period):
            await timed(spent["cycle"], self.cycle())
        cpu = time.process_time_ns() + cpu_ns(self.model.pid) - cpu
        assert self.machine.verdict.valid
        return spent | {"cpu": [cpu / cycles]}

    async def stages(self, cycles: int, period: float) -> Spent:
        """Run the stages of a cycle one by one."""
        spent: Spent = {stage: [] for stage in ("read", "think", "model", "write+back")}
        scan_class = self.scan.classes[0]
        outputs = self.machine.publisher.outputs
        assert outputs
        loop = asyncio.get_running_loop()
        async for _ in ticks(cycles, period):
            columns = await timed(spent["read"], self.device.read(scan_class.plan, len(self.table.latest)))
            began = time.perf_counter_ns()
            self._tick += 1
            now = int(loop.time() * 1e9)
            self.table.put(scan_class.rows, columns)
            window = self.machine.take(self._tick, self.table.image(now), now, time.time())
            thought = time.perf_counter_ns() - began
            assert window is not None
            answer = await timed(spent["model"], self.model.ask(window[np.newaxis]))
            began = time.perf_counter_ns()
            self.machine.judge(answer[0].reshape(-1), now)
            values = resultblock.values(a_block(self._tick))
            spent["think"].append(thought + time.perf_counter_ns() - began)
            await timed(spent["write+back"], self.device.write(outputs, values))
        return spent


def a_block(tick: int) -> ResultBlock:
    """A result block such as a healthy machine writes."""
    return ResultBlock(
        heartbeat=tick,
        sequence=tick,
        state=State.ADVISORY,
        reason=0,
        alarm=0,
        score=0.25,
        value=0.25,
        denied=0,
        input_age_ms=1,
        input_quality=2,
        bundle=1,
    )


async def timed(into: list[float], call: Awaitable[Any]) -> Any:
    """Await a call and note how long it took."""
    began = time.perf_counter_ns()
    answer = await call
    into.append(time.perf_counter_ns() - began)
    return answer


async def ticks(cycles: int, period: float) -> AsyncIterator[int]:
    """Yield at every tick; at once when the period is 0."""
    start = time.perf_counter()
    for n in range(cycles):
        await asyncio.sleep(max(0.0, start + n * period - time.perf_counter()))
        yield n


def add(total: Spent, block: Spent) -> None:
    """Append a block's figures."""
    for stage, figures in block.items():
        total.setdefault(stage, []).extend(figures)


def line(name: str, figures: list[float], against: list[float] | None = None) -> str:
    """One line of the table, in microseconds."""
    p50, p99 = np.percentile(figures, [50, 99]) / 1000
    ratio = f"{p50 / (np.percentile(against, 50) / 1000):10.2f}" if against else ""
    return f"{name:<28}{p50:10.0f}{p99:10.0f}{ratio}"


def table(floor: Spent, agent: Spent, split: Spent) -> str:
    """All figures, and the ratio of the medians."""
    both = [sum(pair) for pair in zip(floor["write"], floor["back"], strict=True)]
    cpu = {name: float(np.mean(spent["cpu"])) / 1000 for name, spent in (("floor", floor), ("agent", agent))}
    return "\n".join(
        [
            f"{'us':<28}{'p50':>10}{'p99':>10}{'ratio':>10}",
            line("floor  cycle", floor["cycle"]),
            line("agent  cycle", agent["cycle"], floor["cycle"]),
            line("floor    read", floor["read"]),
            line("agent    read", split["read"], floor["read"]),
            line("agent    think", split["think"]),
            line("floor    model", floor["model"]),
            line("agent    model", split["model"], floor["model"]),
            line("floor    write, read back", both),
            line("agent    write, read back", split["write+back"], both),
            f"{'floor  cpu per cycle':<28}{cpu['floor']:10.0f}",
            f"{'agent  cpu per cycle':<28}{cpu['agent']:10.0f}{'':10}{cpu['agent'] / cpu['floor']:10.2f}",
        ]
    )


async def measure(folder: Path, blocks: int, cycles: int, period: float) -> str:
    """Let floor and agent take turns; return the table."""
    server, program = compiled(folder, SERVER), compiled(folder, HERE / "floor.c")
    floor, whole, split = Spent(), Spent(), Spent()
    with running(server) as port, running(server) as other:
        config = load(configuration(folder, other))
        historian = Historian(folder)
        historian.open()
        async with asyncio.TaskGroup() as group:
            parts = build(config, historian, group)
            helpers = [group.create_task(device.run()) for device in parts.devices]
            helpers += [group.create_task(model.run()) for model in parts.models]
            agent = Agent(parts)
            await agent.ready()
            for _ in range(blocks):
                add(floor, await asyncio.to_thread(floor_block, program, port, cycles, period))
                add(whole, await agent.block(cycles, period))
                add(split, await agent.stages(cycles, period))
            for helper in helpers:
                helper.cancel()
        for model in parts.models:
            model.close()
        for device in parts.devices:
            await device.close()
        historian.close()
    return table(floor, whole, split)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--cycles", type=int, default=500, help="cycles in a block")
    arguments.add_argument("--blocks", type=int, default=3, help="turns of floor and agent")
    arguments.add_argument("--period", type=float, default=20, help="milliseconds between ticks, 0 for none")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(measure(Path(folder), chosen.blocks, chosen.cycles, chosen.period / 1000)))


if __name__ == "__main__":
    main()
