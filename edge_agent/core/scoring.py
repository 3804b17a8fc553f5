"""What the model's answer means, as the bundle says: one function for each output, planned once.

The converter and the agent call these same functions, see `edge_agent.core.preparation`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Model, Output
from edge_agent.core.packing import spans

Floats32 = npt.NDArray[np.float32]


class Said(NamedTuple):
    """What one output says. `value` is finite if and only if what the model answered is.

    `value` is the index of a class, a forecast, and else the score itself; `confidence` is the probability
    of the class, and else NaN. The score of a forecast is NaN here: what it says comes later.
    """

    score: float
    value: float
    confidence: float = math.nan


Scorer = Callable[[Floats32, Floats32], Said]
"""Takes the packed answer and the packed input that it answers."""


def scorer(output: Output, model: Model) -> Scorer:
    """Return what makes sense of the packed answers of `model` for one output.

    NaN or infinity in gives NaN or infinity out, never a number that looks healthy.
    """
    span = spans(model.outputs)[output.tensor]
    match output.kind:
        case "reconstruction_error":
            return _reconstruction(span, spans(model.inputs)[output.of])
        case "class":
            return _classes(span, output.classes.index(output.normal) if output.normal else None)
    place, scale, offset = span.start + output.element, output.scale, output.offset
    if output.kind == "forecast":
        return lambda answer, _: Said(math.nan, float(answer[place]) * scale + offset)

    def value(answer: Floats32, _: Floats32) -> Said:
        found = float(answer[place]) * scale + offset
        return Said(found, found)

    return value


def _reconstruction(span: slice, of: slice) -> Scorer:
    def error(answer: Floats32, asked: Floats32) -> Said:
        difference = answer[span].astype(np.float64) - asked[of]
        found = float(np.dot(difference, difference)) / difference.size
        return Said(found, found)

    return error


def _classes(span: slice, normal: int | None) -> Scorer:
    def largest(answer: Floats32, _: Floats32) -> Said:
        shares = answer[span]
        index = int(shares.argmax())
        if not math.isfinite(shares.sum()):
            return Said(math.nan, math.nan)
        score = float(index) if normal is None else 1.0 - float(shares[normal])
        return Said(score, float(index), float(shares[index]))

    return largest
