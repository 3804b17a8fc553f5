"""A historian and a flight recorder on a disk that somebody else fills to the last byte. Says how it went."""

import asyncio
import errno
import json
import sys
import time
from pathlib import Path

import numpy as np

from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Reason
from edge_agent.historian import Historian
from edge_agent.history import flight

MB = 10**6
RESULTS, FLIGHT, FREE = 5 * MB, 3 * MB, 2 * MB
TAGS = 400
flight.TURN = 0.01
ALARM = Verdict(
    state=State.ADVISORY,
    reason=Reason.NONE,
    changed=True,
    readings=(Reading(output="wear", score=0.5, value=0.5, changed=True),),
)
GOOD = np.full(TAGS, 2, np.uint8), np.zeros(TAGS, np.uint8)


async def work(history: Historian, track: flight.Track, first: int, turns: int) -> None:
    """Keep 200 results and an alarm a turn, each on the disk before the next."""
    for turn in range(first, first + turns):
        image = Columns(np.random.default_rng(turn).normal(size=TAGS), *GOOD, np.zeros(TAGS, np.int64))
        few = Columns(image.value[:8], image.quality[:8], image.reason[:8], image.at[:8])
        for row in range(200):
            history.result("m", turn, few, ALARM, 200 * turn + row)
        for tick in range(10):
            track.cycle(10 * turn + tick, 10 * turn + tick, time.time_ns(), image)
        track.seal()
        await history.alarm("m", ALARM)


def fill(path: Path) -> None:
    """Take what is left of the disk."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65_536))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


async def main(disk: Path) -> dict[str, object]:
    recorder = flight.FlightRecorder(disk, FLIGHT, 1e9, FREE)
    history = Historian(disk, RESULTS, FREE, recorder)
    history.open()
    track = recorder.track({f"d.t{i}": i for i in range(TAGS)}, [["m"]], 1.0, "c")
    await work(history, track, 0, 150)
    kept_before, lost_before = used(disk), history.lost
    fill(disk / "others")
    await work(history, track, 150, 150)
    history.close()
    return {
        "kept_before": kept_before,
        "kept_after": used(disk),
        "lost_before": lost_before,
        "lost": history.lost,
        "images_lost": recorder.lost,
    }


def used(disk: Path) -> dict[str, int]:
    recorded = sum(path.stat().st_size for path in (disk / flight.FOLDER).iterdir())
    return {"history": (disk / "history.db").stat().st_size, "flight": recorded}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    said = asyncio.run(main(folder))
    (Path(sys.argv[2]) / "history.db").write_bytes((folder / "history.db").read_bytes())
    json.dump(said, sys.stdout)
