"""From the chosen candidate to the bundle: the manifest completed, the known answers, the file."""

from pathlib import Path

import msgspec
import numpy as np

from converter import batching, compare, dataset, gateway, graph, job, judging, tensors
from converter.auto import Candidate
from converter.card import Output
from converter.dataset import Floats32
from converter.errors import ConverterError, writing
from converter.table import Floats
from edge_agent import bundle
from edge_agent.bundle import Bundle, Known
from edge_agent.core.manifest import Manifest, Model, OutputTensor
from edge_agent.core.packing import Packing
from edge_agent.core.parsing import parse
from edge_agent.core.spread import kept, spread
from edge_agent.inference.process import InferenceFailed
from edge_agent.installed import find


def with_model(draft: Manifest, said: list[Output], found: job.Facts) -> Manifest:
    """Return the draft with the model's tensors, and with what the card says of them.

    Raises `ConverterError` where the card does not explain them.
    """
    outputs = [OutputTensor(name=t.name, shape=t.shape, tolerance=0.0) for t in found.outputs]
    whole = msgspec.structs.replace(
        draft,
        outputs=tensors.explain(said, found.outputs, found.inputs),
        model=Model(recipe="", inputs=found.inputs, outputs=outputs, ops=[], state=found.state),
        origin=msgspec.structs.replace(draft.origin, tools=found.tools),
    )
    return parse(msgspec.json.encode(whole), find)


def finished(draft: Manifest, chosen: Candidate, tflite: bytes, original: Floats32) -> Manifest:
    """Return the manifest of the chosen candidate. `original` holds packed answers, float32[k, output_size].

    Tolerances are those of float32 if the model had nothing to quantise.
    """
    assert chosen.measured is not None
    nothing = not chosen.measured.weights.keys() - {"float32"}
    allowed = compare.tolerances("float32" if nothing else chosen.recipe, draft, original)
    model = judging.with_recipe(draft, chosen.recipe).model
    outputs = [
        msgspec.structs.replace(t, tolerance=most) for t, most in zip(model.outputs, allowed, strict=True)
    ]
    seen = {s.output: s for s in chosen.measured.scores}
    return msgspec.structs.replace(
        draft,
        outputs=[
            msgspec.structs.replace(o, min=seen[o.name].min, max=seen[o.name].max) for o in draft.outputs
        ],
        model=msgspec.structs.replace(model, outputs=outputs, ops=graph.read(tflite).operators),
    )


def write(out: Path, manifest: Manifest, tflite: bytes, windows: Floats, originals: Floats32) -> None:
    """Write the bundle, with what the gateway answers to the known windows. Raises `ConverterError`."""
    unsealed = Bundle(manifest, tflite, judging.NOTHING, "")
    packed = Packing.of(manifest)(dataset.prepared(manifest, windows))
    try:
        batch = gateway.wait_for(batching.proven(unsealed, packed))
        fast = gateway.wait_for(gateway.accelerated(unsealed))
        model = msgspec.structs.replace(manifest.model, batch=batch, accelerated=fast)
        manifest = msgspec.structs.replace(manifest, model=model)
        unsealed = Bundle(manifest, tflite, judging.NOTHING, "")
        answers = gateway.wait_for(gateway.answer(unsealed, packed))
        within, _ = spread(packed)
        spread_answers = gateway.wait_for(gateway.answer(unsealed, within[: kept(answers.shape[1])]))
    except InferenceFailed as error:
        raise ConverterError(f"the gateway cannot run the converted model: {error}") from None
    if not all(np.isfinite(numbers).all() for numbers in (answers, originals, spread_answers)):
        raise ConverterError("the model answers NaN or infinity to rows within the data's range")
    with writing(out, "choose another -o"):
        bundle.write(out, manifest, tflite, Known(windows, answers, originals, spread_answers))
