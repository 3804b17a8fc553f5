"""Four weeks of a pump's history: shifts, a standstill, one short peak."""

import math
import time
from pathlib import Path

import numpy as np
from recorded import record

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
    record(path, machine, at, score, np.array(list(inputs.values())) * (0.9 + 0.1 * shift[:, None] + noise))
