"""Whether the converted model is still the model: measured in the gateway's own inference child."""

import msgspec
import numpy as np
import numpy.typing as npt

from converter.errors import ConverterError
from converter.job import Recipe

Floats32 = npt.NDArray[np.float32]
ACCEPTED: dict[Recipe, float] = {"float32": 1e-5, "dynamic_int8": 0.05, "int8": 0.25}
"""The largest error, as a fraction of the output's range, that is taken without `max_error`."""
STEPS = 3 / 255


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Errors against the original model over `windows` real windows, in units of the model's output.

    `range` is what the errors are divided by: 1 for a probability, else largest minus smallest answer
    (for float32 the largest magnitude, because rounding is relative to that).
    """

    windows: int
    range: float
    max_error: float
    mean_error: float
    fraction: float
    """The largest error as a fraction of the range."""


def compare(recipe: Recipe, kind: str, original: Floats32, converted: Floats32) -> Comparison:
    """Compare float32[k, ...] answers. Raises `ConverterError` if there is nothing to compare with."""
    if not np.isfinite(original).all():
        raise ConverterError("the original model answers NaN or infinity to real rows; is its scaling right?")
    reach = answer_range(recipe == "float32", kind, original)
    if reach == 0:
        raise ConverterError("the original model answers 0 to every row; it has learnt nothing")
    error = np.abs(converted.astype(np.float64) - original)
    # A NaN among the errors must not vanish in a maximum.
    worst = float(error.max()) if np.isfinite(error).all() else float("inf")
    return Comparison(
        windows=len(original),
        range=reach,
        max_error=worst,
        mean_error=float(error.mean()),
        fraction=worst / reach,
    )


def refuse_garbage(recipe: Recipe, found: Comparison, max_error: float | None) -> None:
    """Raise `ConverterError` if the converted model is too far from the original."""
    accepted = ACCEPTED[recipe] if max_error is None else max_error
    if not found.fraction <= accepted:
        raise ConverterError(
            f"the {recipe} model is wrong by up to {found.max_error:.4g}, {found.fraction:.1%} of the output"
            f" range {found.range:.4g}, where {accepted:g} of it is accepted. Use --recipe float32, or scale"
            " the inputs before the model, or state a --max-error that you can live with"
        )


def tolerance(quantised: bool, kind: str, answers: Floats32) -> float:
    """Return how far another processor may be from the known answers, in units of the model's output.

    Float sums may be taken in another order: 1e-5 of the largest magnitude, a hundred times float32's
    rounding. An int8 model may round a value on the edge to the other neighbour: three of the 255 steps
    that the output's range is divided into.
    """
    share = STEPS if quantised else 1e-5
    return float(f"{share * (answer_range(not quantised, kind, answers) or 1.0):.3g}")


def answer_range(exact: bool, kind: str, answers: Floats32) -> float:
    """Return what errors are measured against; see `Comparison`."""
    if kind == "probability":
        return 1.0
    magnitude = float(np.abs(answers).max())
    return magnitude if exact else float(np.ptp(answers)) or magnitude
