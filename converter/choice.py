"""What the report says of the recipes that were tried, and of what the chosen one costs."""

from converter import html
from converter.auto import Candidate, Measured
from edge_agent.inference.timing import Latency


def candidates(tried: list[Candidate]) -> str:
    """Return what was measured of every recipe, why it was not taken, and how inputs fit its scale."""
    head = [
        "recipe",
        "largest error, %",
        "flips, %",
        "missed",
        "false",
        "µs",
        "p50",
        "p99",
        "bytes",
        "MB",
        "why",
    ]
    rows = [[c.recipe, *_measured(c.measured), c.reason] for c in tried]
    chosen = next((place for place, c in enumerate(tried) if c.chosen), None)
    intro = (
        "Error as a share of the output's range; missed and false are alarms, compared with the original. "
        "µs is the model's share of a call, p50 and p99 are whole calls as the gateway makes them."
    )
    return html.section("Candidates", html.table(head, rows, name="candidates", chosen=chosen), intro=intro)


def _measured(found: Measured | None) -> list[html.Cell]:
    if found is None:
        return [None] * 9
    d, time = found.decided, found.latency
    decided = [_round(100 * d.flips), d.missed, d.false] if d else [None] * 3
    times = [_round(t) for t in (time.model, time.p50, time.p99)]
    return [_round(100 * found.comparison.fraction), *decided, *times, found.size, round(found.rss / 1e6)]


def saturation(tried: list[Candidate]) -> str:
    """Return how every input fits the scale of each recipe that quantises the model's input."""
    scaled = {c.recipe: c.measured.saturation for c in tried if c.measured and c.measured.saturation}
    if not scaled:
        return ""
    head = ["input", *(f"{recipe} {what}" for recipe in scaled for what in ("clipped, %", "steps"))]
    rows: list[list[html.Cell]] = [
        [fits[0].input, *(number for fit in fits for number in (100 * fit.clipped, fit.steps))]
        for fits in zip(*scaled.values(), strict=True)
    ]
    intro = (
        "Clipped is the share of values that the scale of a quantised input cannot hold; "
        "steps is how many of its steps the values of an input span: few are coarse."
    )
    return html.section("Saturation", html.table(head, rows, name="saturation"), intro=intro)


def flipped(tried: list[Candidate]) -> dict[str, list[int]]:
    """Return by recipe the last rows of the windows that it decides otherwise, by any output."""
    return {
        c.recipe: sorted({row for decided in c.measured.decisions for row in decided.flipped})
        for c in tried
        if c.measured and c.measured.decisions
    }


def kept_float(tried: list[Candidate]) -> list[str]:
    """Return the layers that the recipe mixed left in float, by the tensors that they make."""
    return [tensor for c in tried if c.measured for tensor in c.measured.floats]


def costs(latency: Latency, rss: int) -> dict[str, str]:
    """Return time and memory on this machine, for the top of the page."""
    return {
        "call p50": f"{_round(latency.p50):g} µs",
        "call p99": f"{_round(latency.p99):g} µs",
        "memory": f"{rss / 1e6:.0f} MB",
    }


def _round(measured: float) -> float:
    """Keep the three digits that a measured number has at most."""
    return float(f"{measured:.3g}")
