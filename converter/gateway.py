"""What the gateway computes, computed the gateway's way: its pipeline, its inference child."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from converter.dataset import Dataset
from edge_agent.bundle import Bundle
from edge_agent.core.pipeline import Pipeline, windows
from edge_agent.core.steps import score
from edge_agent.core.tags import Columns, Quality, Reason
from edge_agent.inference.process import InferenceProcess

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


async def answer(bundle: Bundle, asked: Floats32) -> Floats32:
    """Run float32[k, size] through a fresh child: float32[k, *output_shape[1:]]. Raises `InferenceFailed`."""
    shape = bundle.manifest.model.input_shape[1:]
    child = await InferenceProcess.start(bundle)
    try:
        batches = [asked[i : i + _BATCH].reshape(-1, *shape) for i in range(0, len(asked), _BATCH)]
        return np.concatenate([await child.run(batch, DEADLINE) for batch in batches])
    finally:
        child.close()


def all_windows(bundle: Bundle, data: Dataset) -> Floats32:
    """Return every window of every run as the model takes it, in the order of `Dataset.ends`."""
    rows, window = data.rows, bundle.manifest.window
    runs = [run for run in data.runs if len(run) >= window]
    return np.concatenate([windows(bundle.manifest, rows[run.start : run.stop]) for run in runs])


def scores(bundle: Bundle, asked: Floats32, answers: Floats32) -> Floats:
    """Return the score of each answer to each window: float64[k]."""
    output, flat = bundle.manifest.output, answers.reshape(len(answers), -1)
    return np.array([score(output, a, x) for a, x in zip(flat, asked, strict=True)])


async def tick_by_tick(bundle: Bundle, data: Dataset) -> Floats:
    """Return the score of every window, one row at a time as the agent would see it: float64[k].

    Each run is a machine that has just been connected. A tick without a valid score gives NaN.
    """
    manifest = bundle.manifest
    batch = (1, *manifest.model.input_shape[1:])
    found: list[float] = []
    child = await InferenceProcess.start(bundle)
    try:
        for run in data.runs:
            pipeline = Pipeline(manifest)
            for tick, row in enumerate(data.rows[run.start : run.stop]):
                now = round(tick * manifest.period * _NS)
                asked = pipeline.take(tick, _good(row, now))
                if asked is None:
                    continue
                reply = (await child.run(asked.reshape(batch), DEADLINE)).reshape(-1)
                found.append(pipeline.conclude(asked, reply, now).score)
    finally:
        child.close()
    return np.array(found)


def _good(row: Floats, at: int) -> Columns:
    n = len(row)
    return Columns(
        row, np.full(n, Quality.GOOD, np.uint8), np.full(n, Reason.NONE, np.uint8), np.full(n, at, np.int64)
    )
