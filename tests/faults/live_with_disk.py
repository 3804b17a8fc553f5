"""A loop that keeps history every 20 ms and says how it went. Run under strace, which spoils the disk."""

import asyncio
import json
import logging
import sys
import threading
import time
from pathlib import Path

import numpy as np

from edge_agent import historian as module
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Reason
from edge_agent.history import flight
from edge_agent.history.audit import Entry

TICK = 0.02
module.COMMIT_EVERY = 0.05
flight.TURN = 0.05
IMAGE = Columns(np.ones(2), np.full(2, 2, np.uint8), np.zeros(2, np.uint8), np.zeros(2, np.int64))
ALARM = Verdict(
    state=State.ADVISORY,
    reason=Reason.NONE,
    score=0.5,
    changed=True,
    readings=(Reading(output="wear", score=0.5, value=0.5, changed=True),),
)


async def live(state: Path, seconds: float) -> dict[str, object]:
    recorder = flight.FlightRecorder(state, 10**7, 1e6, 0)
    history = module.Historian(state, flight=recorder)
    history.open()
    track = recorder.track({"d.a": 0, "d.b": 1}, [["m"]], TICK, "config")
    loop = asyncio.get_running_loop()
    promised, alarms, troubles, number = [], 0, set(), 0
    asking: asyncio.Task[bool] | None = None
    start, end = loop.time(), loop.time() + seconds
    tick = 0
    while loop.time() < end:
        history.result("m", tick, IMAGE, ALARM, tick)
        track.cycle(tick, tick, time.time_ns(), IMAGE)
        if tick % 5 == 0:
            track.seal()
            alarms += 1
            kept = asyncio.create_task(history.alarm("m", ALARM))
        if asking is None or asking.done():
            if asking is not None and asking.result():
                promised.append(number)
            number = tick
            entry = Entry(machine="m", output="o", old=0.0, new=float(tick), why="x", model="a", config="b")
            asking = asyncio.create_task(history.audit(entry))
        troubles |= {history.trouble, recorder.trouble} - {""}
        tick += 1
        await asyncio.sleep(start + tick * TICK - loop.time())
    assert asking is not None
    await asyncio.wait([asking, kept])
    history.close()
    return {
        "ticks": tick,
        "promised": promised,
        "alarms": alarms,
        "thread": threading.get_native_id(),
        "troubles": sorted(troubles),
        "lost": history.lost,
        "images_lost": recorder.lost,
    }


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
json.dump(asyncio.run(live(Path(sys.argv[1]), float(sys.argv[2]))), sys.stdout)
