"""What the gateway computes, computed the gateway's way: its pipeline, its inference child."""

import asyncio
import math
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from converter.dataset import Dataset, Windows
from converter.decisions import Course
from edge_agent.bundle import Bundle
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Pipeline, windows
from edge_agent.core.preparation import Preparation
from edge_agent.core.tags import Columns, Quality, Reason
from edge_agent.inference.process import InferenceProcess
from edge_agent.inference.replay import replay

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Answer = TypeVar("Answer")
DEADLINE = 10.0
_BATCH = 1024
_NS = 1_000_000_000


def wait_for(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine to its end, also where a loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


async def answer(bundle: Bundle, packed: Floats32) -> Floats32:
    """Run packed inputs through a fresh child: packed answers. Raises `InferenceFailed`."""
    child = await InferenceProcess.start(bundle)
    try:
        batches = [packed[i : i + _BATCH] for i in range(0, len(packed), _BATCH)]
        return np.concatenate([await replay(child, batch, DEADLINE) for batch in batches])
    finally:
        child.close()


async def accelerated(bundle: Bundle) -> bool:
    """Return whether XNNPACK's kernels take a part of the graph here. Raises `InferenceFailed`."""
    child = await InferenceProcess.start(bundle)
    child.close()
    return child.accelerated


async def answer_all(bundle: Bundle, data: Dataset, packed: Floats32) -> Floats32:
    """Answer every window of every run, `packed` by `all_windows`.

    A model with a state keeps it from the first row of a run to the last, as on a machine.
    """
    manifest, size = bundle.manifest, bundle.manifest.model.state
    if not size:
        return await answer(bundle, packed)
    prepare, found = Preparation(manifest), []
    child = await InferenceProcess.start(bundle)
    try:
        for run in data.runs:
            state = np.zeros(size, np.float32)
            if len(run) <= prepare.memory:
                continue
            for place, row in enumerate(prepare(data.rows[run.start : run.stop]), 1):
                said = (await child.run(np.concatenate((row, state))[None], DEADLINE))[0]
                state = said[-size:]
                if place >= manifest.window:
                    found.append(said[:-size])
    finally:
        child.close()
    return np.array(found)


def all_windows(bundle: Bundle, data: Dataset) -> Windows:
    """Return every window of every run."""
    rows, span = data.rows, Preparation(bundle.manifest).span
    ends = data.ends(span)
    runs = [run for run in data.runs if len(run) >= span]
    packed = [windows(bundle.manifest, rows[run.start : run.stop]) for run in runs]
    return Windows(ends, rows[ends, : len(bundle.manifest.inputs)], np.concatenate(packed))


async def tick_by_tick(bundle: Bundle, data: Dataset) -> dict[str, Course]:
    """Return what each output said in every window, one row at a time as the agent would see it.

    Each run is a machine that has just been connected.
    """
    manifest, n = bundle.manifest, len(bundle.manifest.inputs)
    constants, span = len(manifest.constants), Preparation(manifest).span
    found: list[tuple[Reading, ...]] = []
    child = await InferenceProcess.start(bundle)
    try:
        for run in data.runs:
            given = data.rows[run.start, n : n + constants].tolist()
            pipeline = Pipeline(manifest, constants=given)
            for tick, row in enumerate(data.rows[run.start : run.stop], run.start):
                now = round(tick * manifest.period * _NS)
                wall = float(row[-1]) if len(row) > n + constants else math.nan
                asked = pipeline.take(tick, _good(row[:n], now), now, wall)
                if asked is None:
                    continue
                reply = (await child.run(asked[None], DEADLINE))[0]
                readings = pipeline.conclude(asked, reply, now).readings
                if tick >= run.start + span - 1:  # a model with a state is asked from the first row on
                    found.append(readings)
    finally:
        child.close()
    return {
        output.name: Course(
            np.array([readings[place].score for readings in found]),
            np.array([readings[place].value for readings in found]),
            np.array([readings[place].alarm for readings in found], np.bool_),
        )
        for place, output in enumerate(manifest.outputs)
    }


def _good(row: Floats, at: int) -> Columns:
    n = len(row)
    return Columns(
        row, np.full(n, Quality.GOOD, np.uint8), np.full(n, Reason.NONE, np.uint8), np.full(n, at, np.int64)
    )
