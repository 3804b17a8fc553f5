"""Whether a child that answers well is also fast enough on this box: said, and no reason to refuse it."""

import time
from collections.abc import Iterator

import numpy as np

from edge_agent.bundle import Bundle
from edge_agent.inference.process import Floats32, InferenceProcess

LONGEST_SHARE = 0.4
"""Share of the bundle's period that the median call may take: so long does a cycle wait for its model."""
CALLS, DEADLINE, ENOUGH = 20, 5.0, 1.0
"""Calls that are timed, the seconds that one may take, and those after which no further one is timed."""


async def look(bundle: Bundle, child: InferenceProcess, asked: Floats32) -> list[str]:
    """Return what is wrong with a proven child, a sentence each. `asked` is float32[k, ...], k >= 1.

    Raises `InferenceFailed`.
    """
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < CALLS and time.perf_counter() - started < ENOUGH:
        before = time.perf_counter()
        await child.run(asked[:1], DEADLINE)
        times.append(time.perf_counter() - before)
    return list(_complaints(bundle, child, float(np.median(times))))


def _complaints(bundle: Bundle, child: InferenceProcess, median: float) -> Iterator[str]:
    manifest = bundle.manifest
    if manifest.model.accelerated and not child.accelerated:
        yield (
            f"{child.runtime} runs it without XNNPACK here, which took part of it where it was converted: "
            "many times slower. ProcSubset=pid in a unit hides the processor; edge-agent doctor says more"
        )
    if child.model.batch < manifest.model.batch:
        yield (
            f"{child.runtime} answers several rows in one call wrongly here: each is asked alone, "
            "which is slower with many machines"
        )
    most = LONGEST_SHARE * manifest.period
    if median > most:
        yield (
            f"a call takes {median * 1e3:.3g} ms on this box, a cycle of {manifest.period:g} s waits "
            f"{most * 1e3:.3g} ms: cycles will be missed"
        )
