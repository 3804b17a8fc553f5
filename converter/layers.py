"""What the report says of the layers: which operators the model has, and what int8 costs in each."""

import math

from converter import architecture, html, plots
from converter.job import Layer, Sensitivity
from edge_agent.bundle import Bundle

DRAWN = 20


def architecture_of(judged: Bundle) -> str:
    """Return the operators of the model inside the bundle."""
    rows = [
        [o.name, _shape(o.shape), o.dtype, ", ".join(f"{n} {t}" for t, n in o.constants.items())]
        for o in architecture.operators(judged.model)
    ]
    m = judged.manifest.model
    shapes = " → ".join(", ".join(_shape(t.shape) for t in end) for end in (m.inputs, m.outputs))
    head = ["operator", "result", "dtype", "constants"]
    return html.section("Architecture", html.table(head, rows, name="operators"), intro=shapes)


def sensitivity(found: Sensitivity | None, floats: list[str]) -> str:
    """Return what int8 costs in each layer, dearest first; `floats` are the tensors kept float by `mixed`."""
    if found is None:
        return ""
    intro = (
        "The largest error of a model in which this layer alone is int8, as a share of the output's range, "
        f"over {found.windows} windows: those that plain int8 answers worst, and as many evenly chosen. "
        "It is measured, and need not add up."
    )
    if found.left_out:
        intro += f" {found.left_out} smaller layers were not measured."
    head = ["layer", "operator", "constants", "alone in int8, %"]
    if floats:
        head.append("in mixed")
    rows: list[list[html.Cell]] = []
    for layer in found.layers:
        kept = ["float" if layer.tensor in floats else "int8"] if floats else []
        cost = "NaN" if layer.error is None else float(f"{_percent(layer):.3g}")
        rows.append([layer.name, layer.operator, layer.constants, cost, *kept])
    drawn = found.layers[:DRAWN]
    names, shares = (
        [f"{layer.name} {layer.operator}" for layer in drawn],
        [_percent(layer) for layer in drawn],
    )
    caption = "The dearest layers." + (
        " One without a bar answers NaN." if any(map(math.isnan, shares)) else ""
    )
    return html.section(
        "What int8 costs layer by layer",
        html.figure(plots.bars(names, shares, "alone in int8, % of the output's range"), caption, wide=True),
        html.table(head, rows, name="sensitivity"),
        intro=intro,
    )


def _percent(layer: Layer) -> float:
    return math.nan if layer.error is None else 100 * layer.error


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))
