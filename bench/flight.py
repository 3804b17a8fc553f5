"""What the flight recorder costs: CPU of a scan a second with many tags, and bytes on the disk.

python bench/flight.py --tags 10000 --cycles 120
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from edge_agent.core.tags import Columns, Floats, Reason
from edge_agent.history import flight
from edge_agent.history.flight import FlightRecorder


def plant(tags: int, cycles: int) -> Floats:
    """Return values of a plant: a third stand still, a third move by steps of 0.1, a third are noise."""
    dice, third = np.random.default_rng(1), tags // 3
    still = np.tile(dice.integers(0, 1000, third).astype(float), (cycles, 1))
    slow = (500 + np.cumsum(dice.integers(-2, 3, (cycles, third)), axis=0)) * 0.1
    noise = (50 + dice.normal(size=(cycles, tags - 2 * third))).astype(np.float32).astype(float)
    return np.hstack([still, slow, noise])


def main() -> None:
    """Record a plant as fast as it goes and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tags", type=int, default=10_000)
    parser.add_argument("--cycles", type=int, default=120)
    parser.add_argument("--period", type=float, default=1.0)
    asked = parser.parse_args()
    values = plant(asked.tags, asked.cycles)
    good = np.full(asked.tags, 2, np.uint8), np.zeros(asked.tags, np.uint8)
    flight.TURN = 0.01
    with tempfile.TemporaryDirectory() as folder:
        recorder = FlightRecorder(Path(folder), 10**10, 1e9, 0)
        recorder.open()
        track = recorder.track({f"d.t{i}": i for i in range(asked.tags)}, [["m"]], asked.period, "c")
        in_loop, began = 0.0, time.process_time()
        for tick, row in enumerate(values):
            image = Columns(row, *good, np.full(asked.tags, tick * 10**9))
            start = time.thread_time()
            track.cycle(tick, tick * 10**9, time.time_ns(), image)
            track.thought(tick, "m", Reason.NONE)
            in_loop += time.thread_time() - start
            while track.full:
                time.sleep(0.01)
        recorder.close()
        spent = time.process_time() - began
        size = sum(path.stat().st_size for path in recorder.folder.iterdir())
    share = spent / (asked.cycles * asked.period)
    a_day = size / (asked.cycles * asked.period) * 86_400
    print(f"{asked.tags} tags every {asked.period:g} s, {asked.cycles} cycles, {recorder.lost} lost")
    print(f"CPU {1e3 * spent / asked.cycles:.2f} ms a cycle, {share:.2%} of a core")
    print(f"of that in the event loop {1e6 * in_loop / asked.cycles:.0f} us a cycle")
    print(f"{size / asked.cycles / asked.tags:.2f} bytes a sample, {a_day / 1e6:.0f} MB a day")


if __name__ == "__main__":
    main()
