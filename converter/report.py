"""What the converter found, as structs for programs and as tables for people."""

import math

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from converter import budgeting
from converter.alarm_budget import Budget
from converter.auto import Candidate
from converter.compare import Comparison
from converter.job import Sensitivity
from edge_agent.bundle import Bundle
from edge_agent.core.manifest import Output
from edge_agent.core.steps import Step, kind

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
    tolerances: dict[str, float]
    """Of the known answers, by output tensor, in its units."""
    known_answers: int
    candidates: list[Candidate]
    sensitivity: Sensitivity | None = None
    """What int8 costs layer by layer, if that was measured: for a page, or for the recipe mixed."""
    warnings: list[str]
    card: str
    """The text of the card that was inferred, "" if one was given."""
    alarm: Budget | None = None
    """The limits that were chosen for a budget of false alarms, and how sure they are."""
    target: str = ""
    """The box whose times these are: measured there or estimated by `target`; "" for this one."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of one output by path, ``keras`` (if a model was given), ``quantised``, ``gateway``; by fold.

    `threshold` is where a score counts as positive; None where there is no such thing.
    """

    output: str
    kind: str
    threshold: float | None
    paths: dict[str, Metrics]
    folds: list[Metrics] = []


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """How good each output of a bundle is on labelled data, the machine's score first."""

    bundle: str
    windows: int
    outputs: list[Judged]


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
    if kept := _kept_float(report):
        table.add_row("in float", kept)
    table.add_row("why", report.reason)
    table.add_row("loaded with", report.loaded_with)
    if report.alarm:
        table.add_row("alarm", budgeting.text(report.alarm))
    if report.target:
        table.add_row("times", f"on the target: {report.target}")
    tolerance = ", ".join(f"{most:g}" for most in report.tolerances.values())
    table.add_row("proof", f"{report.known_answers} known answers, tolerance {tolerance}")
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
    decided, time = found.decided, found.latency
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


def _kept_float(report: Report) -> str:
    """Name the layers that the recipe mixed left in float, if it is the chosen one."""
    layers = report.sensitivity.layers if report.sensitivity else []
    floats = {tensor for c in report.candidates if c.chosen and c.measured for tensor in c.measured.floats}
    return ", ".join(f"{layer.name} {layer.operator}" for layer in layers if layer.tensor in floats)


def _weights(report: Report) -> str:
    return ", ".join(f"{count} {dtype}" for dtype, count in report.weights.items()) or "unknown"


def show_evaluation(found: Evaluation, console: Console) -> None:
    """Print a table of metrics for each output."""
    for judged in found.outputs:
        _show_judged(judged, found.windows, console)


def _show_judged(found: Judged, windows: int, console: Console) -> None:
    limit = "" if found.threshold is None else f", positive from {found.threshold:g}"
    table = Table(title=f"{found.output}: {windows} windows{limit}", title_justify="left")
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
    console.print(f"{m.name} {m.version}, release {m.sequence}  sha256 {found.sha256}", highlight=False)
    console.print(
        f"window {m.window} rows every {m.period:g} s, gaps up to {m.max_gap:g} s; {m.model.recipe}, "
        f"{len(found.model)} bytes; {len(found.known.inputs)} known answers",
        highlight=False,
    )
    table = Table("input", "unit", *(("min", "max", "mean", "std")))
    for i in m.inputs:
        table.add_row(i.name, i.unit, *(f"{number:.5g}" for number in (i.min, i.max, i.mean, i.std)))
    console.print(table)
    for c in m.constants:
        known = f"{c.min:.5g} to {c.max:.5g} {c.unit}".rstrip()
        console.print(f"constant of the machine: {c.name}, {known} in training", highlight=False)
    for step in m.steps:
        console.print(f"step: {_parameters(step)}", highlight=False)
    for output in m.outputs:
        console.print(f"output: {_meaning(output)}", highlight=False)


def _parameters(step: Step) -> str:
    plain = msgspec.json.decode(msgspec.json.encode(step))
    told = ", ".join(f"{k} {value}" for k, value in plain.items() if k != "type" and value not in ("", []))
    return f"{kind(type(step))} {told}"[:200].rstrip()


def _meaning(output: Output) -> str:
    unit = f" in {output.unit}" if output.unit else ""
    more = f" of {', '.join(output.classes)}" if output.classes else ""
    if output.kind == "forecast":
        more = f" of {output.of}, {output.horizon} rows ahead"
    seen = "" if output.min is None else f", scores {output.min:.4g} to {output.max:.4g}"
    alarm, limits = "no alarm", output.limits
    if limits:
        alarm = (
            f"alarm from {limits.on:g} for {limits.on_delay:g} s "
            f"until below {limits.off:g} for {limits.off_delay:g} s"
        )
    return f"{output.kind} {output.name}{more}{unit}{seen}, {alarm}"


def mean_and_std(folds: list[Metrics], metric: str) -> tuple[float, float]:
    """Return mean and standard deviation of one metric over the folds, NaN left out."""
    values = np.array([fold[metric] for fold in folds])
    values = values[~np.isnan(values)]
    return (float(values.mean()), float(values.std())) if len(values) else (math.nan, math.nan)
