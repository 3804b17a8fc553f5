"""What a question of the page costs: out of a history of 1,000,000 results, for an hour to four weeks.

    python bench/past.py [--rows 1000000]

Processor time, the second time that a question is asked: the file is in the page cache then. Before that,
what it costs to keep a result, the aggregates included.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edge_agent.web.past import History
from edge_agent.web.points import Question

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from recorded import record  # type: ignore[import-not-found]

INPUTS = ["flow", "head", "power", "vibration"]
HOUR = 3600.0
SPAN = 28 * 24 * HOUR
RANGES = {"1 hour": 1, "8 hours": 8, "1 day": 24, "1 week": 168, "4 weeks": 672}


def fill(path: Path, rows: int, end: float) -> float:
    """Keep `rows` results over four weeks; return the processor time of one in seconds."""
    rng = np.random.default_rng(1)
    at = np.linspace(end - SPAN, end, rows)
    began = time.process_time()
    record(path, "pump", at, rng.random(rows), rng.random((rows, len(INPUTS))))
    return (time.process_time() - began) / rows


async def ask(path: Path, since: float, until: float) -> tuple[float, int, int]:
    """Return the processor time in seconds, how many points came, and their resolution in seconds."""
    history = History(path)
    question = Question(
        machine="pump", inputs=INPUTS, outputs=["bearing_wear"], since=since, until=until, points=600
    )
    await history.past(question)
    began = time.process_time()
    found = await history.past(question)
    return time.process_time() - began, len(found.at), found.resolution


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path, end = Path(folder) / "history.db", time.time()
        kept = fill(path, rows, end)
        print(f"{rows:,} results, {path.stat().st_size / 1e6:.0f} MB, {kept * 1e6:.1f} us to keep one")
        for name, hours in RANGES.items():
            took, points, resolution = asyncio.run(ask(path, end - hours * HOUR, end))
            told = f"of {resolution} s" if resolution else "each a row"
            print(f"{name:>8}: {took * 1e3:6.1f} ms, {points} points {told}")


if __name__ == "__main__":
    main()
