"""What the converter found, as structs for programs and as tables for people."""

import math

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from converter.auto import Candidate
from converter.compare import Comparison
from edge_agent.bundle import Bundle

Metrics = dict[str, float]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion made. Sizes are bytes, `weights` are counts by dtype, biases left out.

    `rows_held_back`: what is measured was measured on windows that share no row with what calibration saw.
    """

    bundle: str
    sha256: str
    name: str
    version: str
    recipe: str
    reason: str
    size: int
    model_size: int
    loaded_with: str
    weights: dict[str, int]
    rows: int
    rows_dropped: int
    rows_held_back: bool
    comparison: Comparison
    tolerance: float
    known_answers: int
    candidates: list[Candidate]
    warnings: list[str]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics by path: ``keras`` (if a model was given), ``quantised``, ``gateway``; and by fold.

    `threshold` is where a score counts as positive; None for a value, which has no such thing.
    """

    bundle: str
    kind: str
    windows: int
    threshold: float | None
    paths: dict[str, Metrics]
    folds: list[Metrics] = []


def show_report(report: Report, console: Console) -> None:
    """Print the report for a person."""
    found = report.comparison
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("bundle", f"{report.bundle}  ({report.name} {report.version}, {report.size} bytes)")
    table.add_row(
        "recipe", f"{report.recipe}: {report.model_size} bytes of model, weights {_weights(report)}"
    )
    table.add_row(
        "error",
        f"at most {found.max_error:.3g} ({found.fraction:.2%} of the range {found.range:.4g}), "
        f"mean {found.mean_error:.2g}, over {found.windows} windows",
    )
    table.add_row("why", report.reason)
    table.add_row("loaded with", report.loaded_with)
    table.add_row("proof", f"{report.known_answers} known answers, tolerance {report.tolerance:g}")
    table.add_row("sha256", report.sha256)
    console.print(table)
    if len(report.candidates) > 1:
        _show_candidates(report.candidates, console)
    for warning in report.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False)


def _show_candidates(candidates: list[Candidate], console: Console) -> None:
    table = Table("recipe", title="candidates", title_justify="left")
    for column in ("error", "flips", "missed", "false", "µs", "p99", "bytes", "MB"):
        table.add_column(column, justify="right")
    for c in candidates:
        table.add_row(c.recipe, *_figures(c), style="bold" if c.chosen else "")
    console.print(table)
    for c in candidates:
        if not c.chosen:
            console.print(f"{c.recipe}: {c.reason}", markup=False, highlight=False, soft_wrap=True)


def _figures(candidate: Candidate) -> list[str]:
    found = candidate.measured
    if found is None:
        return []
    decided, time = found.decisions, found.latency
    choices = ["", "", ""]
    if decided:
        choices = [f"{decided.flips:.2%}", f"{decided.missed} of {decided.alarms}", str(decided.false)]
    return [
        f"{found.comparison.fraction:.2%}",
        *choices,
        f"{time.model:.1f}",
        f"{time.p99:.0f}",
        str(found.size),
        f"{found.rss / 1e6:.0f}",
    ]


def _weights(report: Report) -> str:
    return ", ".join(f"{count} {dtype}" for dtype, count in report.weights.items()) or "unknown"


def show_evaluation(found: Evaluation, console: Console) -> None:
    """Print metrics, a column for each path."""
    limit = "" if found.threshold is None else f", positive from {found.threshold:g}"
    table = Table(title=f"{found.windows} windows{limit}", title_justify="left")
    table.add_column("metric")
    for path in found.paths:
        table.add_column(path, justify="right")
    if found.folds:
        table.add_column(f"{len(found.folds)} folds, mean ± std", justify="right")
    for metric in found.paths["gateway"]:
        cells = [f"{metrics[metric]:.6g}" for metrics in found.paths.values()]
        if found.folds:
            mean, std = mean_and_std(found.folds, metric)
            cells.append(f"{mean:.4g} ± {std:.2g}")
        table.add_row(metric, *cells)
    console.print(table)


def show_bundle(found: Bundle, console: Console) -> None:
    """Print what a bundle promises."""
    m = found.manifest
    console.print(f"{m.name} {m.version}  sha256 {found.sha256}", highlight=False)
    console.print(
        f"window {m.window} rows every {m.period:g} s, gaps up to {m.max_gap:g} s; {m.model.recipe}, "
        f"{len(found.model)} bytes; {len(found.known_inputs)} known answers, tolerance {m.model.tolerance:g}",
        highlight=False,
    )
    table = Table("input", "unit", *(("min", "max", "mean", "std")))
    for i in m.inputs:
        table.add_row(i.name, i.unit, *(f"{number:.5g}" for number in (i.min, i.max, i.mean, i.std)))
    console.print(table)
    alarm = "no alarm"
    if m.limits:
        on, off = m.limits.on, m.limits.off
        alarm = (
            f"alarm from {on:g} for {m.limits.on_delay:g} s until below {off:g} for {m.limits.off_delay:g} s"
        )
    unit = f" in {m.output.unit}" if m.output.unit else ""
    console.print(f"output: {m.output.kind} {m.output.name}{unit}, {alarm}", highlight=False)


def mean_and_std(folds: list[Metrics], metric: str) -> tuple[float, float]:
    """Return mean and standard deviation of one metric over the folds, NaN left out."""
    values = np.array([fold[metric] for fold in folds])
    values = values[~np.isnan(values)]
    return (float(values.mean()), float(values.std())) if len(values) else (math.nan, math.nan)
