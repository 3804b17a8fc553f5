"""What the report says of one output: what it said, how good that is, where decisions flip."""

from dataclasses import dataclass

import numpy as np

from converter import decisions, html, metrics, plots
from converter.decisions import Course, Mask, limit
from converter.report import Judged, mean_and_std
from converter.table import Floats, Integers
from edge_agent.core.manifest import Output

CHOSEN = "gateway"
"""The path that the figures judge."""
FLOAT = "keras"


@dataclass(frozen=True, slots=True)
class Said:
    """What an output said in k windows, which end at int64[k] rows, and float64[k] what it should have said.

    `courses` are by path: the original's, if it was asked, and always the gateway's.
    """

    output: Output
    ends: Integers
    courses: dict[str, Course]
    target: Floats | None = None

    @property
    def scores(self) -> dict[str, Floats]:
        """The scores, float64[k] by path."""
        return {path: course.scores for path, course in self.courses.items()}

    @property
    def flipped(self) -> Mask | None:
        """Which windows the bundle decides otherwise than the original; None if nothing is decided."""
        if FLOAT not in self.courses:
            return None
        return decisions.flips(self.output, self.courses[FLOAT], self.courses[CHOSEN])


def metric_table(found: Judged) -> str:
    """Return every metric by path and by fold, and the confusion matrix of the gateway's path."""
    head = ["metric", *found.paths]
    rows: list[list[html.Cell]] = [
        [metric, *(told[metric] for told in found.paths.values())] for metric in found.paths[CHOSEN]
    ]
    if found.folds:
        head += [*(f"fold {n}" for n in range(1, len(found.folds) + 1)), "mean", "std"]
        for row in rows:
            name = str(row[0])
            row += [*(fold[name] for fold in found.folds), *mean_and_std(found.folds, name)]
    tables = html.beside(html.table(head, rows, name="metrics"), _confusion(found))
    return html.section(f"How good {found.output} is", tables)


def _confusion(found: Judged) -> str:
    if found.threshold is None:
        return ""
    told, on = found.paths[CHOSEN], html.number(found.threshold)
    rows: list[list[html.Cell]] = [
        ["labelled 0", told["tn"], told["fp"]],
        ["labelled 1", told["fn"], told["tp"]],
    ]
    return html.table(["gateway", f"score below {on}", f"score from {on}"], rows, name="confusion")


def judged_figures(said: Said) -> str:
    """Return ROC and precision over recall, or residuals, or which class was taken for which how often."""
    if said.target is None:
        return ""
    output, course = said.output, said.courses[CHOSEN]
    if output.kind == "class":
        return _classes(output, said.target, course.values)
    if np.isnan(course.scores).any():
        return ""
    if output.kind == "value":
        drawn = html.figure(
            plots.residuals(said.target, course.scores, output.unit), "What the gateway's path is off by."
        )
        return html.section(f"Residuals of {output.name}", html.beside(drawn))
    on = limit(output)
    if on is None or not 0 < np.sum(said.target > 0.5) < len(said.target):
        return ""
    curves = metrics.curves(said.target, course.scores)
    return html.section(
        f"Every other limit of {output.name}",
        html.beside(
            html.figure(plots.receiver(curves, on), "The diagonal is what guessing gives."),
            html.figure(plots.precision(curves, on), "Every step is one score taken as the limit."),
        ),
    )


def _classes(output: Output, target: Floats, values: Floats) -> str:
    places = range(len(output.classes))
    rows: list[list[html.Cell]] = [
        [f"labelled {label}", *(int(np.sum((target == wanted) & (values == given))) for given in places)]
        for wanted, label in enumerate(output.classes)
    ]
    matrix = html.table(["gateway", *output.classes], rows, name="classes")
    return html.section(f"Which class of {output.name} is taken for which", matrix)


def score_figures(said: Said) -> str:
    """Return the histograms, and scores and flips against time."""
    on, name, scores = limit(said.output), said.output.name, said.scores
    drawn = [
        html.figure(plots.histogram("scores", scores, name, on), "How often the model gives which score.")
    ]
    told = "Scores in the order of the data."
    if FLOAT in scores:
        error = {"error": scores[CHOSEN] - scores[FLOAT]}
        changes = plots.histogram("errors", error, "gateway - keras")
        drawn.insert(0, html.figure(changes, "What the conversion changes."))
    flipped = said.flipped
    if flipped is not None:
        told += " A triangle is a window that the two decide otherwise."
    told += " Where the line is broken, there is no score."
    nowhere = np.zeros(len(said.ends), np.bool_)
    at = said.ends.astype(np.float64)
    line = plots.timeline(at, scores, on, nowhere if flipped is None else flipped, name)
    return html.section(f"Scores of {name}", html.beside(*drawn, html.figure(line, told, wide=True)))
