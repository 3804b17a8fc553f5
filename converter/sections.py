"""What the report says of a bundle, section by section."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from converter import html, metrics, plots
from converter.decisions import limit
from converter.report import Evaluation, Judged, mean_and_std
from converter.table import Floats, Integers
from edge_agent.bundle import Bundle
from edge_agent.core.manifest import Manifest

CHOSEN = "gateway"
"""The path that the figures judge."""
FLOAT = "keras"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured of k windows: their last rows float64[k, inputs], which rows these are, the scores.

    `scores` holds float64[k] by path: the original's, if it was asked, and always the gateway's.
    """

    rows: Floats
    ends: Integers
    scores: dict[str, Floats]
    target: Floats | None = None


def flips(manifest: Manifest, seen: Seen) -> npt.NDArray[np.bool_]:
    """Return which windows the bundle puts on the other side of the limit than the original: bool[k]."""
    on = limit(manifest.outputs[0])
    if on is None or FLOAT not in seen.scores:
        return np.zeros(len(seen.ends), np.bool_)
    flipped: npt.NDArray[np.bool_] = (seen.scores[FLOAT] >= on) != (seen.scores[CHOSEN] >= on)
    return flipped


def header(judged: Bundle, seen: Seen, facts: dict[str, str]) -> str:
    """Return the name and the few figures that everybody asks for."""
    m = judged.manifest
    output = m.outputs[0]
    unit = f" in {output.unit}" if output.unit else ""
    shown = {"recipe": m.model.recipe, "model": f"{len(judged.model)} bytes", "windows": str(len(seen.ends))}
    if FLOAT in seen.scores:
        worst = np.nanmax(np.abs(seen.scores[CHOSEN] - seen.scores[FLOAT]))
        shown["largest error"] = f"{worst:.3g}"
        if limit(output) is not None:
            flipped = flips(m, seen)
            shown["decisions flipped"] = f"{flipped.sum()} ({html.percent(float(flipped.mean()))})"
    about = f"{output.name}: {output.kind.replace('_', ' ')}{unit}, {m.window} rows every {m.period:g} s"
    return html.heading(f"{m.name} {m.version}", about) + "\n" + html.tiles(shown | facts)


def metric_tables(found: Evaluation) -> str:
    """Return every metric by path and by fold, and the confusion matrix of the gateway's path."""
    return "\n".join(_metric_table(judged) for judged in found.outputs)


def _metric_table(found: Judged) -> str:
    head = ["metric", *found.paths]
    rows: list[list[html.Cell]] = [
        [metric, *(told[metric] for told in found.paths.values())] for metric in found.paths[CHOSEN]
    ]
    if found.folds:
        head += [*(f"fold {n}" for n in range(1, len(found.folds) + 1)), "mean", "std"]
        for row in rows:
            name = str(row[0])
            row += [*(fold[name] for fold in found.folds), *mean_and_std(found.folds, name)]
    return html.section(
        f"How good {found.output} is", html.beside(html.table(head, rows, name="metrics"), _confusion(found))
    )


def _confusion(found: Judged) -> str:
    if found.threshold is None:
        return ""
    told, on = found.paths[CHOSEN], html.number(found.threshold)
    rows: list[list[html.Cell]] = [
        ["labelled 0", told["tn"], told["fp"]],
        ["labelled 1", told["fn"], told["tp"]],
    ]
    return html.table(["gateway", f"score below {on}", f"score from {on}"], rows, name="confusion")


def judged_figures(judged: Bundle, seen: Seen) -> str:
    """Return ROC and precision over recall, or the residuals."""
    output = judged.manifest.outputs[0]
    score, on = seen.scores[CHOSEN], limit(output)
    if seen.target is None or np.isnan(score).any():
        return ""
    if output.kind == "value":
        drawn = plots.residuals(seen.target, score, output.unit)
        return html.section(
            "Residuals", html.beside(html.figure(drawn, "What the gateway's path is off by."))
        )
    if on is None or not 0 < np.sum(seen.target > 0.5) < len(score):
        return ""
    curves = metrics.curves(seen.target, score)
    return html.section(
        "Every other limit",
        html.beside(
            html.figure(plots.receiver(curves, on), "The diagonal is what guessing gives."),
            html.figure(plots.precision(curves, on), "Every step is one score taken as the limit."),
        ),
    )


def score_figures(judged: Bundle, seen: Seen) -> str:
    """Return the histograms, and scores and flips against time."""
    output = judged.manifest.outputs[0]
    on, name = limit(output), output.name
    drawn = [
        html.figure(
            plots.histogram("scores", seen.scores, name, on), "How often the model gives which score."
        )
    ]
    if FLOAT in seen.scores:
        error = {"error": seen.scores[CHOSEN] - seen.scores[FLOAT]}
        drawn.insert(
            0,
            html.figure(plots.histogram("errors", error, "gateway - keras"), "What the conversion changes."),
        )
    told = "Scores in the order of the data."
    if on is not None and FLOAT in seen.scores:
        told += " A triangle is a window that the two put on different sides of the limit."
    line = plots.timeline(seen.ends.astype(np.float64), seen.scores, on, flips(judged.manifest, seen), name)
    told += " Where the line is broken, no windows were asked."
    return html.section("Scores", html.beside(*drawn, html.figure(line, told, wide=True)))


def flip_figure(flipped: dict[str, list[int]], seen: Seen) -> str:
    """Return where the recipes that decide otherwise do so; `flipped` are rows of the data by recipe."""
    known = {recipe: rows for recipe, rows in flipped.items() if rows}
    if not known:
        return ""
    drawn = plots.flips(known, int(seen.ends[0]), int(seen.ends[-1]))
    caption = "Every line is a window that the recipe puts on the other side of the limit than the original."
    return html.section("Flips of every candidate", html.figure(drawn, caption, wide=True))


def inputs(judged: Bundle, seen: Seen) -> str:
    """Return what each input is, and how much of the data lies outside of what the model was trained on."""
    described = judged.manifest.inputs
    low, high = np.array([i.min for i in described]), np.array([i.max for i in described])
    outside = np.mean((seen.rows < low) | (seen.rows > high), axis=0).tolist()
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
