"""Every candidate, judged by the windows that were held back, on the gateway's own path."""

import msgspec
import numpy as np

from converter import compare, decisions, gateway, measure
from converter.auto import Candidate, Measured, Saturation
from converter.dataset import Floats32
from converter.job import Made
from converter.making import Converted, Making
from converter.recipes import Name
from converter.table import Integers
from edge_agent.bundle import Bundle
from edge_agent.core.manifest import Manifest

NOTHING = np.empty((0, 1, 1), np.float32)


def judge(draft: Manifest, ends: Integers, asked: Floats32, making: Making) -> list[Candidate]:
    """Judge by float32[k, size] windows, which end at int64[k] rows. Raises `ConverterError`.

    `draft` has the model's shapes. A candidate that could not be made or run says why in its `reason`.
    """
    kind, original = draft.output.kind, making.answers
    compare.require_sense(original)
    made = [c for c in making.converted if not c.refusal]
    bundles = [Bundle(with_recipe(draft, c.recipe), c.tflite, NOTHING, NOTHING, "") for c in made]
    ran = dict(zip((c.recipe for c in made), gateway.wait_for(measure.run(bundles, asked)), strict=True))
    before = decisions.course(draft, ends, asked, original)

    def measured(of: Converted, made: Made, did: measure.Ran) -> Measured:
        after = decisions.course(draft, ends, asked, did.answers)
        return Measured(
            size=len(of.tflite),
            weights=made.weights,
            comparison=compare.compare(of.recipe, kind, original, did.answers),
            decisions=decisions.compare(draft, ends, before, after),
            saturation=saturation(draft, made, asked),
            latency=did.latency,
            rss=did.rss,
        )

    found = []
    for c in making.converted:
        did = ran.get(c.recipe, c.refusal)
        if c.made is None or isinstance(did, str):
            found.append(Candidate(recipe=c.recipe, reason=str(did)))
        else:
            found.append(Candidate(recipe=c.recipe, reason="", measured=measured(c, c.made, did)))
    return found


def with_recipe(draft: Manifest, recipe: Name) -> Manifest:
    """Return the manifest of a candidate."""
    return msgspec.structs.replace(draft, model=msgspec.structs.replace(draft.model, recipe=recipe))


def saturation(draft: Manifest, made: Made, asked: Floats32) -> list[Saturation]:
    """Say for each input how its values in float32[k, size] windows fit the scale of a quantised input."""
    scale = made.input_scale
    if scale is None:
        return []
    low, high = scale.low - scale.step / 2, scale.high + scale.step / 2
    columns = asked.reshape(-1, len(draft.inputs)).T
    return [
        Saturation(
            input=i.name,
            clipped=float(np.mean((column < low) | (column > high))),
            steps=round(float(np.ptp(column)) / scale.step),
        )
        for i, column in zip(draft.inputs, columns, strict=True)
    ]
