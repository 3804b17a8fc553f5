"""Record images, and say so after each block. Run under strace by the power cuts."""

import os
import sys
import time
from pathlib import Path

import numpy as np

from edge_agent.core.tags import Columns, Reason
from edge_agent.history import flight

flight.TURN = 0.001
flight.LONGEST_SEGMENT = 4 * 10**9
state, blocks = Path(sys.argv[1]), int(sys.argv[2])
recorder = flight.FlightRecorder(state, 10**6, 1e6, 0)
recorder.open()
track = recorder.track({"d.a": 0, "d.b": 1}, [["m"]], 0.1, "config")
for number in range(1, blocks + 1):
    for tick in range(10 * number, 10 * number + 10):
        value = np.random.default_rng(tick).normal(size=2)
        good = np.full(2, 2, np.uint8), np.zeros(2, np.uint8)
        track.cycle(tick, tick * 10**8, time.time_ns(), Columns(value, *good, np.full(2, tick)))
        track.thought(tick, "m", Reason.NONE)
    before = recorder.written
    track.seal()
    while recorder.written == before:
        time.sleep(0.001)
    os.write(1, b"kept %d\n" % number)
