"""The canary: a bundle is tried in a throw-away child before it may come near a machine.

Public TFLite files exist that answer well and then corrupt the heap, or never return. The child is the one
that the agent uses, with its limits of memory and descriptors: a model can hurt nothing but that child.
"""

import asyncio
import time

import msgspec
import numpy as np

from edge_agent.bundle import Bundle
from edge_agent.core.packing import spans
from edge_agent.core.spread import spread
from edge_agent.inference.fitness import LONGEST_SHARE
from edge_agent.inference.process import Floats32, InferenceFailed, InferenceLate, InferenceProcess
from edge_agent.inference.proof import prove, proven, questions
from edge_agent.inference.replay import openings, replay

START_DEADLINE, CALL_DEADLINE, END_DEADLINE, DEADLINE = 60.0, 5.0, 20.0, 180.0
"""Seconds for the child's start, for one call, for the child's end, and for all of it."""


class Refused(Exception):
    """The bundle failed its canary; the text says how."""


class Late(Refused):
    """Something took too long. That may be the model's fault, or this box was busy just now."""


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
            child, difference = await proven(bundle, START_DEADLINE)
            try:
                passed = await _try(bundle, child, difference)
                await child.end(END_DEADLINE)
            finally:
                child.close()
    except InferenceLate as error:
        raise Late(str(error)) from None
    except InferenceFailed as error:
        raise Refused(str(error)) from None
    except TimeoutError:
        raise Late(f"the canary did not end within {DEADLINE:g} s") from None
    return passed


async def _try(bundle: Bundle, child: InferenceProcess, difference: float) -> Passed:
    windows, beyond = spread(questions(bundle))
    await _hold_to_spread(bundle, child, windows)
    within, beyond = openings(child, windows), openings(child, beyond)
    asked = np.concatenate((within, beyond))
    answers, times = await _one_by_one(child, asked)
    inside = answers[: len(within)]
    if not np.isfinite(inside).all():
        raise Refused("the model answers NaN or infinity to numbers within the range of its known inputs")
    again, _ = await _one_by_one(child, asked)
    if not np.array_equal(answers, again, equal_nan=True):
        raise Refused("the model answers the same question differently when it is asked again")
    together = await child.run(within, CALL_DEADLINE + len(within) * sum(times) / len(times))
    _hold(bundle, inside, together, "the same questions asked in a batch")
    p50, p99 = (float(np.percentile(times, share)) for share in (50, 99))
    if p50 > LONGEST_SHARE * bundle.manifest.period:
        raise Late(
            f"a call takes {p50 * 1e3:.3g} ms on this box; a cycle of {bundle.manifest.period:g} s "
            f"waits {LONGEST_SHARE * bundle.manifest.period * 1e3:.3g} ms"
        )
    # Once more, because a heap may have been spoilt since.
    difference = max(difference, await prove(bundle, child))
    return Passed(
        runtime=child.runtime, difference=difference, inputs=len(asked), p50=p50 * 1e6, p99=p99 * 1e6
    )


async def _hold_to_spread(bundle: Bundle, child: InferenceProcess, windows: Floats32) -> None:
    known = bundle.known.spread
    if known is not None:
        answers = await replay(child, windows[: len(known)], DEADLINE)
        _hold(bundle, answers, known, "what it answered to such inputs when it was converted")


def _hold(bundle: Bundle, answers: Floats32, others: Floats32, what: str) -> None:
    """Refuse answers that are further from others to the same questions than the tensors' tolerances."""
    model = bundle.manifest.model
    for tensor, span in zip(model.outputs, spans(model.outputs).values(), strict=True):
        difference = np.abs(answers[:, span].astype(np.float64) - others[:, span]).max(initial=0.0)
        if not difference <= tensor.tolerance:
            raise Refused(f"{tensor.name} is off by {difference:.3g} from {what}")


async def _one_by_one(child: InferenceProcess, asked: Floats32) -> tuple[Floats32, list[float]]:
    answers, times = [], []
    for row in asked:
        started = time.perf_counter()
        try:
            answers.append(await child.run(row[np.newaxis], CALL_DEADLINE))
        except InferenceLate as error:
            raise Late(f"{error}, at input {len(answers) + 1}") from None
        times.append(time.perf_counter() - started)
    return np.concatenate(answers), times
