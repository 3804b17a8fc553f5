"""What the report says of a bundle that is at hand alone, without the data it was made of."""

import numpy as np

from converter import html
from edge_agent.bundle import Bundle
from edge_agent.core.manifest import Limits
from edge_agent.core.packing import spans


def header(judged: Bundle) -> str:
    """Return the name and what a gateway needs to know at a glance."""
    m = judged.manifest
    about = f"sequence {m.sequence}: {m.window} rows every {m.period:g} s, at most {m.max_gap:g} s filled"
    shown = {
        "recipe": m.model.recipe,
        "model": f"{len(judged.model)} bytes",
        "inputs": str(len(m.inputs)),
        "outputs": str(len(m.outputs)),
        "known answers": str(len(judged.known.inputs)),
        "bundle": judged.sha256[:8],
    }
    return html.heading(f"{m.name} {m.version}", about) + "\n" + html.tiles(shown)


def outputs(judged: Bundle) -> str:
    """Return what each output means and where its alarms are."""
    rows: list[list[html.Cell]] = [
        [o.name, o.kind.replace("_", " "), o.unit, _limits(o.limits), _limits(o.warning)]
        for o in judged.manifest.outputs
    ]
    head = ["output", "kind", "unit", "alarm", "warning"]
    return html.section("Outputs", html.table(head, rows, name="outputs"))


def _limits(limits: Limits | None) -> str | None:
    if limits is None:
        return None
    delays = f", after {limits.on_delay:g} s, back after {limits.off_delay:g} s"
    sign, back = (">=", "<") if limits.when == "above" else ("<=", ">")
    return f"{sign} {limits.on:g}, ends {back} {limits.off:g}{delays}"


def inputs(judged: Bundle) -> str:
    """Return what each input was in training, and beyond what a result counts as uncertain."""
    m = judged.manifest
    head = ["input", "unit", "min", "max", "mean", "std"]
    rows: list[list[html.Cell]] = [[i.name, i.unit, i.min, i.max, i.mean, i.std] for i in m.inputs]
    if m.envelope:
        head += ["uncertain below", "uncertain above", "fastest, per s"]
        bounds = zip(m.envelope.low, m.envelope.high, m.envelope.rate, strict=True)
        rows = [[*row, *bound] for row, bound in zip(rows, bounds, strict=True)]
    return html.section("Inputs", html.table(head, rows, name="inputs"), intro="As in the training data.")


def known_answers(judged: Bundle) -> str:
    """Return how far the quantised model is from the original on the known answers, tensor by tensor."""
    known, tensors = judged.known, judged.manifest.model.outputs
    if not len(known.outputs):
        return ""
    off = np.abs(known.outputs.astype(np.float64) - known.originals)
    rows: list[list[html.Cell]] = [
        [tensor.name, float(off[:, span].max()), float(off[:, span].mean()), tensor.tolerance]
        for tensor, span in zip(tensors, spans(tensors).values(), strict=True)
    ]
    head = ["output tensor", "largest difference", "mean difference", "tolerance elsewhere"]
    intro = (
        f"{len(known.outputs)} windows: the model in the bundle beside the original, and by how much another "
        "processor may differ from the bundle before the gateway refuses it."
    )
    return html.section("Known answers", html.table(head, rows, name="known"), intro=intro)
