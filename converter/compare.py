"""Whether the converted model is still the model: measured in the gateway's own inference child."""

import msgspec
import numpy as np
import numpy.typing as npt

from converter.errors import ConverterError
from converter.recipes import RECIPES, Name
from edge_agent.core.manifest import Manifest, Model, Output
from edge_agent.core.packing import spans

Floats32 = npt.NDArray[np.float32]
OFF_ONE = 0.01
"""Probabilities of classes may miss the sum 1 by so much: a model may come here quantised already."""


class OutputError(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of one output against the original model, in units of the model's tensor.

    `range` is what the errors are divided by: 1 for probabilities, else largest minus smallest answer
    (where all sums are float32, the largest magnitude, because rounding is relative to that).
    """

    output: str
    range: float
    max_error: float
    mean_error: float
    fraction: float
    """The largest error as a fraction of the range."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Errors against the original model over `windows` real windows: those of the output that is worst.

    That is the one whose largest error is the largest fraction of its range.
    """

    windows: int
    range: float
    max_error: float
    mean_error: float
    fraction: float
    outputs: list[OutputError]


def numbers(output: Output, model: Model) -> slice:
    """Return which numbers of a packed answer an output is made of."""
    span = spans(model.outputs)[output.tensor]
    if output.kind in ("reconstruction_error", "class"):
        return span
    return slice(span.start + output.element, span.start + output.element + 1)


def require_sense(draft: Manifest, original: Floats32) -> None:
    """Raise `ConverterError` if packed answers of the original are not what the card says."""
    for output in draft.outputs:
        answers = original[:, numbers(output, draft.model)]
        what = f"output {output.name!r}: the original model answers"
        if not np.isfinite(answers).all():
            raise ConverterError(f"{what} NaN or infinity to real rows; is its scaling right?")
        if not answers.any():
            raise ConverterError(
                f"{what} 0 to every row; it has learnt nothing, or its training scaled the rows and "
                "the card does not say how in [[steps]]"
            )
        if output.kind == "class":
            sums = answers.sum(axis=1, dtype=np.float64)
            if answers.min() < -OFF_ONE or np.abs(sums - 1).max() > OFF_ONE:
                raise ConverterError(
                    f"{what} no probabilities of classes: the numbers of {output.tensor!r} are "
                    f"{answers.min():.4g} to {answers.max():.4g} and sum to {sums.min():.4g} to "
                    f"{sums.max():.4g}, where 0 to 1 and the sum 1 are needed; add a softmax layer"
                )


def compare(recipe: Name, draft: Manifest, original: Floats32, converted: Floats32) -> Comparison:
    """Compare packed answers, float32[k, output_size]. Raises `ConverterError` if there is no sense in it."""
    require_sense(draft, original)
    found = []
    for output in draft.outputs:
        part = numbers(output, draft.model)
        reach = answer_range(RECIPES[recipe].exact, _are_probabilities(output), original[:, part])
        error = np.abs(converted[:, part].astype(np.float64) - original[:, part])
        # A NaN among the errors must not vanish in a maximum.
        worst = float(error.max()) if np.isfinite(error).all() else np.inf
        found.append(
            OutputError(
                output=output.name,
                range=reach,
                max_error=worst,
                mean_error=float(error.mean()),
                fraction=worst / reach,
            )
        )
    least = max(found, key=lambda e: e.fraction)
    return Comparison(
        windows=len(original),
        range=least.range,
        max_error=least.max_error,
        mean_error=least.mean_error,
        fraction=least.fraction,
        outputs=found,
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


def tolerances(recipe: Name, draft: Manifest, answers: Floats32) -> list[float]:
    """Return for each output tensor how far another processor may be from the known answers, in its units."""
    rules = RECIPES[recipe]
    found = []
    for name, span in spans(draft.model.outputs).items():
        meanings = [_are_probabilities(o) for o in draft.outputs if o.tensor == name]
        reach = answer_range(rules.exact, bool(meanings) and all(meanings), answers[:, span])
        found.append(float(f"{rules.tolerance * (reach or 1.0):.3g}"))
    return found


def _are_probabilities(output: Output) -> bool:
    return output.kind in ("probability", "class")


def answer_range(exact: bool, probabilities: bool, answers: Floats32) -> float:
    """Return what errors are measured against; see `OutputError`."""
    if probabilities:
        return 1.0
    magnitude = float(np.abs(answers).max())
    return magnitude if exact else float(np.ptp(answers)) or magnitude
