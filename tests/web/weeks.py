"""Four weeks of a pump's history, written by the history's own code: shifts, a standstill, one short peak."""

import math
import time
from pathlib import Path

import numpy as np

from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Reason
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
    ats = np.arange(end - 28 * DAY, end, STEP)
    ats = ats[(ats < end - 13 * DAY) | (ats > end - 11 * DAY)]
    peak = int(np.argmin(np.abs(ats - (end - 9 * DAY))))
    levels = np.array(list(inputs.values()))
    rng = np.random.default_rng(4)
    connection, _ = file.connect(path)
    with connection:
        boot = file.boot(connection, "a boot")
        for number, at in enumerate(ats.tolist()):
            shift = 0.5 + 0.5 * math.sin(2 * math.pi * at / DAY)
            score = PEAK if number == peak else 0.08 + 0.1 * shift + 0.01 * float(rng.standard_normal())
            values = levels * (0.9 + 0.1 * shift + 0.004 * rng.standard_normal(len(levels)))
            quality = np.full(len(levels), 2, np.uint8)
            columns = Columns(
                values, quality, np.zeros(len(levels), np.uint8), np.zeros(len(levels), np.int64)
            )
            verdict = Verdict(
                state=State.ADVISORY,
                reason=Reason.NONE,
                score=score,
                readings=(Reading(output="bearing_wear", score=score, value=score),),
            )
            row = rows.result(When(at, number), machine, number, columns, verdict)
            row.insert(connection, Clock(boot, synchronised=True))
    connection.close()
