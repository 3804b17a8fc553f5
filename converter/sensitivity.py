"""What int8 costs layer by layer, and which layers to leave in float. Only the child imports this."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from converter import job
from converter.originals import Floats32, Refused
from converter.selective import Selective
from converter.table import Integers

LAYERS, WINDOWS = 64, 128
"""At most so many layers are measured, each by at most so many windows: fewer answers than one candidate's
judgement takes."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What the models are tried on: k windows, float32[k, size], and the original's answers to them.

    `answer` runs a TFLite model on windows. `error` compares answers with the original's, as the largest
    error in parts of the output's range. `excess` says in what answers to all windows exceed the budget,
    "" if in nothing.
    """

    windows: Floats32
    original: Floats32
    answer: Callable[[bytes, Floats32], Floats32]
    error: Callable[[Floats32, Floats32], float]
    excess: Callable[[Floats32], str]


def measure(model: Selective, trial: Trial) -> job.Sensitivity:
    """Measure each layer alone in int8, all others in float, by the windows that tell most about int8."""
    whole = trial.answer(model.model(()), trial.windows)
    chosen = _telling(whole, trial.original)
    windows, original = trial.windows[chosen], trial.original[chosen]
    largest = sorted(model.layers.values(), key=lambda o: -sum(o.constants.values()))[:LAYERS]
    costs = []
    for layer in largest:
        others = model.layers.keys() - {layer.results[0]}
        error = trial.error(trial.answer(model.model(others), windows), original)
        costs.append(
            job.Layer(
                name=model.name(layer.results[0]),
                operator=layer.name,
                tensor=layer.results[0],
                constants=sum(layer.constants.values()),
                error=error if math.isfinite(error) else None,
            )
        )
    costs.sort(key=lambda cost: -math.inf if cost.error is None else -cost.error)
    return job.Sensitivity(windows=len(windows), layers=costs, left_out=len(model.layers) - len(costs))


def rescue(model: Selective, trial: Trial, found: job.Sensitivity) -> tuple[bytes, list[job.Layer]]:
    """Return a model within the budget with as few of the dearest layers in float as it takes, and these.

    Their number is doubled until it is enough, and then bisected. Raises `Refused` if it never is enough, or
    none is needed.
    """

    def attempt(count: int) -> tuple[bytes, str]:
        made = model.model([layer.tensor for layer in found.layers[:count]])
        return made, trial.excess(trial.answer(made, trial.windows))

    most = min(len(found.layers), len(model.layers) - 1)
    too_few = enough = 0
    best, excess = attempt(0)
    if not excess:
        raise Refused("int8 is within the budget without a layer in float")
    while excess:
        too_few, enough = enough, min(2 * enough or 1, most)
        if enough == too_few:
            raise Refused(f"with {enough} of {len(model.layers)} layers in float still {excess}")
        best, excess = attempt(enough)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        made, excess = attempt(middle)
        if excess:
            too_few = middle
        else:
            enough, best = middle, made
    return best, found.layers[:enough]


def _telling(whole: Floats32, original: Floats32) -> Integers:
    """Choose the windows that plain int8 answers worst, and as many evenly over all."""
    error = np.nan_to_num(np.abs(whole - original), nan=np.inf).reshape(len(original), -1).max(axis=1)
    worst = np.argsort(-error, kind="stable")[: WINDOWS // 2]
    even = np.linspace(0, len(original) - 1, WINDOWS // 2).round().astype(np.int64)
    chosen: Integers = np.union1d(worst, even)
    return chosen
