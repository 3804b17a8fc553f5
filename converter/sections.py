"""What the report says of a bundle, section by section."""

import numpy as np

from converter import html, plots
from converter.dataset import Windows
from converter.decisions import limit
from converter.output_sections import CHOSEN, FLOAT, Said
from edge_agent.bundle import Bundle


def header(judged: Bundle, said: list[Said], facts: dict[str, str]) -> str:
    """Return the name and the few figures that everybody asks for: those of the first output."""
    m, first = judged.manifest, said[0]
    shown = {"recipe": m.model.recipe, "model": f"{len(judged.model)} bytes", "windows": str(len(first.ends))}
    if FLOAT in first.scores:
        shown["largest error"] = html.number(_largest_error(first), 3)
    if first.flipped is not None:
        shown["decisions flipped"] = f"{first.flipped.sum()} ({html.percent(float(first.flipped.mean()))})"
    unit = f" in {first.output.unit}" if first.output.unit else ""
    kind = first.output.kind.replace("_", " ")
    about = f"{first.output.name}: {kind}{unit}, {m.window} rows every {m.period:g} s"
    return html.heading(f"{m.name} {m.version}", about) + "\n" + html.tiles(shown | facts)


def outputs(said: list[Said]) -> str:
    """Return what there is of each output, if there are several."""
    if len(said) == 1:
        return ""
    rows: list[list[html.Cell]] = []
    for s in said:
        error = _largest_error(s) if FLOAT in s.scores else None
        flips = None if s.flipped is None else int(s.flipped.sum())
        kind = s.output.kind.replace("_", " ")
        rows.append([s.output.name, kind, s.output.unit, limit(s.output), error, flips])
    head = ["output", "kind", "unit", "limit", "largest error", "decisions flipped"]
    intro = "The first is the machine's score. Errors are those of the score, in its unit."
    return html.section("Outputs", html.table(head, rows, name="outputs"), intro=intro)


def _largest_error(said: Said) -> float:
    error = np.abs(said.scores[CHOSEN] - said.scores[FLOAT])
    known = error[np.isfinite(error)]
    return float(known.max()) if len(known) else np.nan


def flip_figure(flipped: dict[str, list[int]], seen: Windows) -> str:
    """Return where the recipes that decide otherwise do so; `flipped` are rows of the data by recipe."""
    known = {recipe: rows for recipe, rows in flipped.items() if rows}
    if not known:
        return ""
    drawn = plots.flips(known, int(seen.ends[0]), int(seen.ends[-1]))
    caption = "Every line is a window that the recipe decides otherwise than the original, by any output."
    return html.section("Flips of every candidate", html.figure(drawn, caption, wide=True))


def inputs(judged: Bundle, seen: Windows) -> str:
    """Return what each input is, and how much of the data lies outside of what the model was trained on."""
    described = judged.manifest.inputs
    low, high = np.array([i.min for i in described]), np.array([i.max for i in described])
    outside = np.mean((seen.latest < low) | (seen.latest > high), axis=0).tolist()
    head = ["input", "unit", "min", "max", "mean", "std", "outside, %"]
    rows: list[list[html.Cell]] = [
        [i.name, i.unit, i.min, i.max, i.mean, i.std, 100 * share]
        for i, share in zip(described, outside, strict=True)
    ]
    intro = "The ranges are those of the training data; outside is the share of these windows beyond them."
    return html.section("Inputs", html.table(head, rows, name="inputs"), intro=intro)


def origin(judged: Bundle) -> str:
    """Return what the bundle was made of and by."""
    m = judged.manifest
    told = {"bundle SHA-256": judged.sha256, "model SHA-256": m.origin.model_sha256}
    told |= {"data SHA-256": m.origin.data_sha256, "converter": m.origin.converter, **m.origin.tools}
    told["known answers"] = f"{len(judged.known.inputs)} windows"
    told |= {f"tolerance of {t.name}": f"{t.tolerance:g}" for t in m.model.outputs}
    return html.section("Origin", html.table(["what", ""], list(told.items()), name="origin"))
