"""A candidate on the gateway: its answers, its time and its memory, in the gateway's own child."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from converter.dataset import Floats32
from edge_agent.bundle import Bundle
from edge_agent.inference.process import InferenceFailed, InferenceProcess

DEADLINE = 60.0
"""Seconds for one batch."""
_BATCH = 128
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


@dataclass(frozen=True, slots=True)
class Ran:
    """What one candidate did: float32[k, ...] answers, its time, the child's memory in bytes."""

    answers: Floats32
    latency: Latency
    rss: int


async def run(bundles: list[Bundle], asked: Floats32) -> list[Ran | str]:
    """Ask every candidate all of float32[k, size], each in a child of its own. A text says why not.

    Times are taken in turns, so that a processor that changes its pace does so for all of them.
    """
    children: dict[int, InferenceProcess] = {}
    failures: dict[int, str] = {}
    answers: dict[int, Floats32] = {}
    try:
        for i, bundle in enumerate(bundles):
            try:
                children[i] = await InferenceProcess.start(bundle)
                answers[i] = await _answer(children[i], bundle, asked)
            except InferenceFailed as error:
                failures[i] = f"the gateway cannot run it: {error}"
        able = {i: children[i] for i in answers}
        shaped = {i: asked[:_ROWS].reshape(-1, *bundles[i].manifest.model.input_shape[1:]) for i in able}
        times = await _times(able, shaped)
        memory = {i: _rss(child.pid) for i, child in able.items()}
    finally:
        for child in children.values():
            child.close()
    return [
        Ran(answers[i], times[i], memory[i]) if i in answers else failures[i] for i in range(len(bundles))
    ]


async def _answer(child: InferenceProcess, bundle: Bundle, asked: Floats32) -> Floats32:
    shape = bundle.manifest.model.input_shape[1:]
    batches = (asked[i : i + _BATCH].reshape(-1, *shape) for i in range(0, len(asked), _BATCH))
    return np.concatenate([await child.run(batch, DEADLINE) for batch in batches])


async def _times(children: dict[int, InferenceProcess], rows: dict[int, Floats32]) -> dict[int, Latency]:
    calls: dict[int, list[float]] = {i: [] for i in children}
    batches: dict[int, list[float]] = {i: [] for i in children}
    until = time.monotonic() + _ENOUGH
    for done in range(_ROUNDS):
        for i, child in children.items():
            batches[i].append(await _microseconds(child, rows[i]) / len(rows[i]))
            for row in rows[i][:_CALLS]:
                calls[i].append(await _microseconds(child, row[None]))
        if done and time.monotonic() > until:
            break
    return {
        i: Latency(
            p50=float(np.percentile(calls[i], 50)),
            p99=float(np.percentile(calls[i], 99)),
            model=min(batches[i]),
        )
        for i in children
    }


async def _microseconds(child: InferenceProcess, rows: Floats32) -> float:
    started = time.perf_counter_ns()
    await child.run(rows, DEADLINE)
    return (time.perf_counter_ns() - started) / 1000


def _rss(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
