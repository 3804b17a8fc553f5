"""Whether the converted model is still the model: measured in the gateway's own inference child."""

import msgspec
import numpy as np
import numpy.typing as npt

from converter.errors import ConverterError
from converter.recipes import RECIPES, Name

Floats32 = npt.NDArray[np.float32]


class OutputError(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of one number of the output, in its units; `fraction` is of this number's own range."""

    max_error: float
    mean_error: float
    fraction: float | None
    """None if the original always answers the same."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Errors against the original model over `windows` real windows, in units of the model's output.

    `range` is what the errors are divided by: 1 for a probability, else largest minus smallest answer
    (where all sums are float32, the largest magnitude, because rounding is relative to that).
    """

    windows: int
    range: float
    max_error: float
    mean_error: float
    fraction: float
    """The largest error as a fraction of the range."""
    outputs: list[OutputError] = []
    """The same for each number of the output, flat."""


def require_sense(original: Floats32) -> None:
    """Raise `ConverterError` if there is nothing to compare with."""
    if not np.isfinite(original).all():
        raise ConverterError("the original model answers NaN or infinity to real rows; is its scaling right?")
    if not original.any():
        raise ConverterError("the original model answers 0 to every row; it has learnt nothing")


def compare(recipe: Name, kind: str, original: Floats32, converted: Floats32) -> Comparison:
    """Compare float32[k, ...] answers. Raises `ConverterError` if there is nothing to compare with."""
    require_sense(original)
    reach = answer_range(RECIPES[recipe].exact, kind, original)
    error = np.abs(converted.astype(np.float64) - original).reshape(len(original), -1)
    # A NaN among the errors must not vanish in a maximum.
    worst = np.where(np.isfinite(error).all(axis=0), error.max(axis=0), np.inf)
    ranges = np.ptp(original.reshape(error.shape), axis=0)
    return Comparison(
        windows=len(original),
        range=reach,
        max_error=float(worst.max()),
        mean_error=float(error.mean()),
        fraction=float(worst.max()) / reach,
        outputs=[
            OutputError(
                max_error=float(most), mean_error=float(mean), fraction=float(most / own) if own else None
            )
            for most, mean, own in zip(worst, error.mean(axis=0), ranges, strict=True)
        ],
    )


def refuse_garbage(recipe: Name, found: Comparison, max_error: float | None) -> None:
    """Raise `ConverterError` if the converted model is too far from the original."""
    accepted = RECIPES[recipe].accepted if max_error is None else max_error
    if not found.fraction <= accepted:
        raise ConverterError(
            f"the {recipe} model is wrong by up to {found.max_error:.4g}, {found.fraction:.1%} of the output"
            f" range {found.range:.4g}, where {accepted:g} of it is accepted. Use --recipe float32, or scale"
            " the inputs before the model, or state a --max-error that you can live with"
        )


def tolerance(recipe: Name, kind: str, answers: Floats32) -> float:
    """Return how far another processor may be from the known answers, in units of the model's output."""
    rules = RECIPES[recipe]
    return float(f"{rules.tolerance * (answer_range(rules.exact, kind, answers) or 1.0):.3g}")


def answer_range(exact: bool, kind: str, answers: Floats32) -> float:
    """Return what errors are measured against; see `Comparison`."""
    if kind == "probability":
        return 1.0
    magnitude = float(np.abs(answers).max())
    return magnitude if exact else float(np.ptp(answers)) or magnitude
