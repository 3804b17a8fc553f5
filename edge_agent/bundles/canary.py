"""The canary: a bundle is tried in a throw-away child before it may come near a machine.

Public TFLite files exist that answer well and then corrupt the heap, or never return. The child is the one
that the agent uses, with its limits of memory and descriptors: a model can hurt nothing but that child.
"""

import asyncio
import time

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.bundle import Bundle
from edge_agent.core.packing import spans
from edge_agent.inference.host import prove, questions
from edge_agent.inference.process import Floats32, InferenceFailed, InferenceLate, InferenceProcess
from edge_agent.inference.replay import openings

INPUTS = 1000
CALL_DEADLINE, END_DEADLINE, DEADLINE = 5.0, 5.0, 120.0
"""Seconds for one call, for the child's end, and for all of it."""
LONGEST_SHARE = 0.4
"""Share of the bundle's period that the median call may take: so long does a cycle wait for its model."""
_BEYOND = (1e-38, 1.5, 1e3, 1e6, 1e30, 3e38)
"""Magnitudes that no training data had, against which every tenth input is put."""


class Refused(Exception):
    """The bundle failed its canary; the text says how."""


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen. `difference` is the largest to the known answers; the latencies are microseconds."""

    runtime: str
    difference: float
    inputs: int
    p50: float
    p99: float


async def canary(bundle: Bundle) -> Passed:
    """Try a bundle. Raises `Refused`; no process is left behind."""
    try:
        async with asyncio.timeout(DEADLINE):
            child = await InferenceProcess.start(bundle)
            try:
                passed = await _try(bundle, child)
                await child.end(END_DEADLINE)
            finally:
                child.close()
    except InferenceFailed as error:
        raise Refused(str(error)) from None
    except TimeoutError:
        raise Refused(f"the canary did not end within {DEADLINE:g} s") from None
    return passed


async def _try(bundle: Bundle, child: InferenceProcess) -> Passed:
    difference = await prove(bundle, child)
    asked, inside = _inputs(questions(bundle))
    asked = openings(child, asked)
    answers, times = await _one_by_one(child, asked)
    if not np.isfinite(answers[inside]).all():
        raise Refused("the model answers NaN or infinity to numbers within the range of its known inputs")
    again, _ = await _one_by_one(child, asked)
    if not np.array_equal(answers, again, equal_nan=True):
        raise Refused("the model answers the same question differently when it is asked again")
    await _in_batches(bundle, child, asked[inside], answers[inside])
    p50, p99 = (float(np.percentile(times, share)) for share in (50, 99))
    if p50 > LONGEST_SHARE * bundle.manifest.period:
        raise Refused(
            f"a call takes {p50 * 1e3:.3g} ms on this box; a cycle of {bundle.manifest.period:g} s "
            f"waits {LONGEST_SHARE * bundle.manifest.period * 1e3:.3g} ms"
        )
    # Once more, because a heap may have been spoilt since.
    difference = max(difference, await prove(bundle, child))
    return Passed(
        runtime=child.runtime, difference=difference, inputs=len(asked), p50=p50 * 1e6, p99=p99 * 1e6
    )


def _inputs(known: Floats32) -> tuple[Floats32, npt.NDArray[np.bool_]]:
    """Return random and boundary inputs, float32[INPUTS, input_size], and which are within the known ones."""
    dice = np.random.default_rng(1)
    low, high = known.min(axis=0).astype(np.float64), known.max(axis=0).astype(np.float64)
    share = dice.random((INPUTS, known.shape[1]))
    share[0], share[1] = 0.0, 1.0
    corners = np.arange(INPUTS) % 5 == 4
    share[corners] = np.rint(share[corners])
    rows = low + share * (high - low)
    beyond = np.arange(INPUTS) % 10 == 7
    sizes = dice.choice(_BEYOND, (int(beyond.sum()), 1))
    one = dice.random(sizes.shape) < 0.5
    hit = np.where(one, np.arange(rows.shape[1]) == dice.integers(rows.shape[1], size=sizes.shape), True)
    signs = dice.choice([-1.0, 1.0], hit.shape)
    rows[beyond] = np.where(hit, sizes * signs, rows[beyond])
    return rows.astype(np.float32), ~beyond


async def _one_by_one(child: InferenceProcess, asked: Floats32) -> tuple[Floats32, list[float]]:
    answers, times = [], []
    for row in asked:
        started = time.perf_counter()
        try:
            answers.append(await child.run(row[np.newaxis], CALL_DEADLINE))
        except InferenceLate as error:
            raise Refused(f"{error}, at input {len(answers) + 1}") from None
        times.append(time.perf_counter() - started)
    return np.concatenate(answers), times


async def _in_batches(bundle: Bundle, child: InferenceProcess, asked: Floats32, alone: Floats32) -> None:
    """Hold it to `model.batch`: machines that share the model must not change each other's answers."""
    model = bundle.manifest.model
    together = await child.run(asked, CALL_DEADLINE + len(asked) * CALL_DEADLINE / INPUTS)
    for tensor, span in zip(model.outputs, spans(model.outputs).values(), strict=True):
        difference = np.abs(together[:, span].astype(np.float64) - alone[:, span]).max()
        if not difference <= tensor.tolerance:
            raise Refused(f"answers in a batch are off by {difference:.3g} in {tensor.name}")
