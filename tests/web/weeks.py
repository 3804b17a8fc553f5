"""Four weeks of a pump's history: shifts, two days in which nothing ran, one short peak with its alarm."""

import math
import time
from pathlib import Path

import numpy as np
from recorded import record

from edge_agent.core.alarm import AlarmState
from edge_agent.core.outputs import Reading
from edge_agent.history import file, rows
from edge_agent.history.rows import Clock, When

DAY = 86_400.0
STEP = 180.0
"""Seconds between two results."""
PEAK = 0.972
"""Of one result, nine days ago."""


def keep(path: Path, machine: str, inputs: dict[str, float]) -> None:
    """Write one result every three minutes. Two days in the third week there was nothing."""
    end = time.time()
    at = np.arange(end - 28 * DAY, end, STEP)
    at = at[(at < end - 13 * DAY) | (at > end - 11 * DAY)]
    shift = 0.5 + 0.5 * np.sin(2 * math.pi * at / DAY)
    rng = np.random.default_rng(4)
    score = 0.08 + 0.1 * shift + 0.01 * rng.standard_normal(len(at))
    score[np.argmin(np.abs(at - (end - 9 * DAY)))] = PEAK
    noise = 0.004 * rng.standard_normal((len(at), len(inputs)))
    top = int(np.argmax(score))
    tell(path, machine, (at[top], at[top + 1]), (end - 13 * DAY, end - 11 * DAY))
    record(path, machine, at, score, np.array(list(inputs.values())) * (0.9 + 0.1 * shift[:, None] + noise))


def tell(path: Path, machine: str, raised: tuple[float, float], off: tuple[float, float]) -> None:
    """Write an alarm from one wall time to another, and that the agent was off."""
    connection, _ = file.connect(path)
    with connection:
        clock = Clock(file.boot(connection, "a boot"), synchronised=True)
        for number, (at, text) in enumerate(zip(off, ("stopped", "started"), strict=True)):
            rows.event(When(at, number), "hall-3", "agent", text).insert(connection, clock)
        back = When(off[1] + 10, 2)
        rows.event(back, machine, "state", "ADVISORY, NONE").insert(connection, clock)
        for at, state in zip(raised, (AlarmState.UNACKNOWLEDGED, AlarmState.NORMAL), strict=True):
            active = state is not AlarmState.NORMAL
            reading = Reading(output="bearing_wear", score=PEAK, alarm=active, alarm_state=state)
            rows.alarm(When(at, int(at)), machine, reading).insert(connection, clock)
    connection.close()
