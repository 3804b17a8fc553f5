"""Every candidate, judged by the windows that were held back, on the gateway's own path."""

from collections.abc import Mapping

import msgspec
import numpy as np

from converter import compare, decisions, gateway, measure
from converter.auto import Candidate, Measured, Saturation, Scores
from converter.dataset import Floats32, Windows
from converter.decisions import Course
from converter.job import InputScale, Made
from converter.making import Converted
from converter.recipes import Name
from edge_agent.bundle import Bundle, Known
from edge_agent.core.manifest import InputTensor, Manifest
from edge_agent.core.packing import spans

NOTHING = Known(np.empty((0, 1, 1)), np.empty((0, 1), np.float32), np.empty((0, 1), np.float32))


def judge(draft: Manifest, seen: Windows, original: Floats32, converted: list[Converted]) -> list[Candidate]:
    """Judge by windows, and what the original answered to them, packed. Raises `ConverterError`.

    `draft` has the model's tensors. A candidate that could not be made or run says why in its `reason`.
    """
    compare.require_sense(draft, original)
    made = [c for c in converted if not c.refusal]
    bundles = [Bundle(with_recipe(draft, c.recipe), c.tflite, NOTHING, "") for c in made]
    ran = dict(
        zip((c.recipe for c in made), gateway.wait_for(measure.run(bundles, seen.packed)), strict=True)
    )
    before = decisions.courses(draft, seen, original)

    def measured(of: Converted, made: Made, did: measure.Ran) -> Measured:
        after = decisions.courses(draft, seen, did.answers)
        return Measured(
            size=len(of.tflite),
            weights=made.weights,
            floats=made.floats,
            comparison=compare.compare(of.recipe, draft, original, did.answers),
            decisions=decisions.compare(draft, seen, before, after),
            scores=scores(after),
            saturation=saturation(draft, made, seen.packed),
            latency=did.latency,
            rss=did.rss,
        )

    found = []
    for c in converted:
        did = ran.get(c.recipe, c.refusal)
        if c.made is None or isinstance(did, str):
            found.append(Candidate(recipe=c.recipe, reason=str(did)))
        else:
            found.append(Candidate(recipe=c.recipe, reason="", measured=measured(c, c.made, did)))
    return found


def with_recipe(draft: Manifest, recipe: Name) -> Manifest:
    """Return the manifest of a candidate."""
    return msgspec.structs.replace(draft, model=msgspec.structs.replace(draft.model, recipe=recipe))


def scores(after: Mapping[str, Course]) -> list[Scores]:
    """Return the range of each output's score."""
    found = []
    for name, course in after.items():
        known = course.scores[np.isfinite(course.scores)]
        ends = (float(known.min()), float(known.max())) if len(known) else (None, None)
        found.append(Scores(output=name, min=ends[0], max=ends[1]))
    return found


def saturation(draft: Manifest, made: Made, packed: Floats32) -> list[Saturation]:
    """Say for each input how its values in packed windows fit the scale of a quantised input."""
    at = spans(draft.model.inputs)
    scales = made.input_scales[: len(at)]  # a state comes after the inputs
    return [
        fit
        for tensor, scale in zip(draft.model.inputs, scales, strict=True)
        if scale is not None
        for fit in _saturation(tensor, scale, packed[:, at[tensor.name]])
    ]


def _saturation(tensor: InputTensor, scale: InputScale, packed: Floats32) -> list[Saturation]:
    low, high = scale.low - scale.step / 2, scale.high + scale.step / 2
    values = packed.reshape(-1, len(tensor.columns)).T
    return [
        Saturation(
            input=name,
            clipped=float(np.mean((column < low) | (column > high))),
            steps=round(float(np.ptp(column)) / scale.step),
        )
        for name, column in zip(tensor.columns, values, strict=True)
    ]
