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
    """Return the first model within the budget as 1, 2, 4, ... of the dearest layers stay float, and these.

    Raises `Refused` if int8 is within the budget already, or no such model is.
    """
    excess = trial.excess(trial.answer(model.model(()), trial.windows))
    if not excess:
        raise Refused("int8 is within the budget without a layer in float; use int8")
    count = 1
    while count < len(model.layers) and count <= len(found.layers):
        floats = found.layers[:count]
        made = model.model([layer.tensor for layer in floats])
        excess = trial.excess(trial.answer(made, trial.windows))
        if not excess:
            return made, floats
        count *= 2
    raise Refused(f"with {count // 2} of {len(model.layers)} layers in float it is still {excess}")


def _telling(whole: Floats32, original: Floats32) -> Integers:
    """Choose the windows that plain int8 answers worst, and as many evenly over all."""
    error = np.nan_to_num(np.abs(whole - original), nan=np.inf).reshape(len(original), -1).max(axis=1)
    worst = np.argsort(-error, kind="stable")[: WINDOWS // 2]
    even = np.linspace(0, len(original) - 1, WINDOWS // 2).round().astype(np.int64)
    chosen: Integers = np.union1d(worst, even)
    return chosen
