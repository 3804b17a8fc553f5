"""How long a model takes to answer, there and back, as the agent asks it."""

import os
import time
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from edge_agent.inference.process import Floats32, InferenceProcess

K = TypeVar("K", bound=Hashable)

DEADLINE = 60.0
"""Seconds for one batch."""
_ROUNDS, _CALLS, _ROWS = 9, 20, 32
_ENOUGH = 4.0
"""Seconds after which no further round is measured."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds. A call is one row there and back, as the agent does it; `model` is the model's share.

    `model` is the best of several batches, divided by their rows: what a call costs without the way.
    """

    p50: float
    p99: float
    model: float


async def latencies(children: Mapping[K, InferenceProcess], rows: Mapping[K, Floats32]) -> dict[K, Latency]:
    """Measure every child with the first of its float32[k, ...] rows. Raises `InferenceFailed`.

    Times are taken in turns, so that a processor that changes its pace does so for all of them.
    """
    calls: dict[K, list[float]] = {key: [] for key in children}
    batches: dict[K, list[float]] = {key: [] for key in children}
    until = time.monotonic() + _ENOUGH
    for done in range(_ROUNDS):
        for key, child in children.items():
            asked = rows[key][:_ROWS]
            batches[key].append(await _microseconds(child, asked) / len(asked))
            for row in asked[:_CALLS]:
                calls[key].append(await _microseconds(child, row[None]))
        if done and time.monotonic() > until:
            break
    return {
        key: Latency(
            p50=float(np.percentile(calls[key], 50)),
            p99=float(np.percentile(calls[key], 99)),
            model=min(batches[key]),
        )
        for key in children
    }


def resident(pid: int) -> int:
    """Return the bytes of a process that are in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _microseconds(child: InferenceProcess, rows: Floats32) -> float:
    started = time.perf_counter_ns()
    await child.run(rows, DEADLINE)
    return (time.perf_counter_ns() - started) / 1000
