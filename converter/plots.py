"""The report's figures, as SVG for the middle of a page: its colours are CSS variables of that page.

Only a report imports this, for matplotlib takes a second to import.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from converter.metrics import Curves

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
WIDE, HALF = (9.0, 2.9), (4.4, 2.9)
"""Sizes in inches: the whole width of the page, and half of it."""
_COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--faint)",
    "#030303": "var(--float)",
    "#040404": "var(--chosen)",
    "#050505": "var(--limit)",
}
"""matplotlib must be told a colour; these stand for the page's."""
_INK, _FAINT, _FLOAT, _CHOSEN, _LIMIT = _COLOURS
_SERIES = ((_FLOAT, 2.0), (_CHOSEN, 1.2))
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edge-converter",
    "font.size": 9.0,
    "text.color": _INK,
    **{f"axes.{key}": _INK for key in ("labelcolor", "titlecolor")},
    **{f"{axis}tick.{key}": _INK for axis in "xy" for key in ("color", "labelcolor")},
    "axes.edgecolor": _FAINT,
    "grid.color": _FAINT,
    "grid.linewidth": 0.5,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}
_BINS, _COLUMNS, _POINTS = 40, 1200, 800
_HOLE = 0.01
"""Of the whole span: rows left out that are more are shown as a hole in the line."""


def histogram(name: str, values: Mapping[str, Floats], xlabel: str, limit: float | None = None) -> str:
    """Draw how often which value is, over the same bins, the count on a logarithmic scale."""

    def draw(axes: Axes) -> None:
        known = {name: given[np.isfinite(given)] for name, given in values.items()}
        edges = np.histogram_bin_edges(np.concatenate(list(known.values())), _BINS)
        for (path, given), (colour, width) in zip(known.items(), _styles(values), strict=True):
            counts = np.histogram(given, edges)[0].astype(np.float64)
            axes.stairs(np.maximum(counts, 0.5), edges, baseline=0.5, color=colour, lw=width, label=path)
        axes.set(xlabel=xlabel, ylabel="windows", yscale="log", ylim=(0.5, None))
        axes.locator_params(axis="x", nbins=6)
        axes.ticklabel_format(axis="x", scilimits=(-2, 4))
        _mark(axes.axvline, limit)

    return _svg(name, HALF, draw, legend=len(values) > 1)


def timeline(at: Floats, scores: Mapping[str, Floats], limit: float | None, flips: Bools, name: str) -> str:
    """Draw scores float64[k] against the row of the data `at` float64[k], and where decisions flip."""

    def draw(axes: Axes) -> None:
        for (path, given), (colour, width) in zip(scores.items(), _styles(scores), strict=True):
            axes.plot(*_broken(*_envelope(at, given)), color=colour, lw=width, label=path)
        _mark(axes.axhline, limit)
        if flips.any():
            places = np.unique(np.searchsorted(np.linspace(at[0], at[-1], _COLUMNS), at[flips]))
            x = np.linspace(at[0], at[-1], _COLUMNS)[places]
            y = np.full(len(x), -0.03)
            below = axes.get_xaxis_transform()
            axes.plot(x, y, "^", color=_LIMIT, ms=5, clip_on=False, label="flip", transform=below)
        axes.set(xlabel="row of the data", ylabel=name)
        axes.margins(x=0.01)

    return _svg("timeline", WIDE, draw)


def history(
    days: Floats, score: Floats, alarm: Bools, faults: Sequence[tuple[float, float]], name: str
) -> str:
    """Draw a score over float64[n] days, where there was an alarm, and the faults as shaded stretches."""

    def draw(axes: Axes) -> None:
        for number, (start, end) in enumerate(faults):
            axes.axvspan(start, end, color=_FAINT, lw=0, label="" if number else "fault")
        axes.plot(*_broken(*_envelope(days, score)), color=_CHOSEN, lw=1.2, label=name)
        below = axes.get_xaxis_transform()
        raised = np.flatnonzero(np.diff(alarm, prepend=False, append=False)).reshape(-1, 2)
        for number, (a, b) in enumerate(raised.tolist()):
            label = "" if number else "alarm"
            axes.plot(days[[a, b - 1]], [-0.03, -0.03], color=_LIMIT, lw=4, clip_on=False, label=label,
                      transform=below)  # fmt: skip
        axes.set(xlabel="days", ylabel=name)
        axes.margins(x=0.01)

    return _svg("history", WIDE, draw)


def flips(rows: Mapping[str, list[int]], first: int, last: int) -> str:
    """Draw at which rows of the data, between `first` and `last`, each recipe decides otherwise."""
    step = max((last - first) / _COLUMNS, 1.0)

    def draw(axes: Axes) -> None:
        marks = [np.unique(np.round(np.array(at) / step)) * step for at in rows.values()]
        axes.eventplot(marks, colors=_LIMIT, linewidths=1.0, linelengths=0.7)
        axes.set(xlabel="row of the data", xlim=(first - step, last + step))
        axes.set(yticks=range(len(rows)), yticklabels=list(rows))
        axes.grid(visible=False)
        axes.invert_yaxis()

    return _svg("flips", (WIDE[0], 0.7 + 0.28 * len(rows)), draw, legend=False)


def bars(names: Sequence[str], values: Sequence[float], xlabel: str) -> str:
    """Draw a bar for each name, the first on top; NaN has none."""

    def draw(axes: Axes) -> None:
        places = range(len(names))
        axes.barh(places, values, height=0.6, color=_CHOSEN)
        axes.set(xlabel=xlabel, yticks=places, yticklabels=names)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()

    return _svg("bars", (WIDE[0], 0.7 + 0.22 * len(values)), draw, legend=False)


def residuals(target: Floats, score: Floats, unit: str) -> str:
    """Draw score minus target against the target, up to 800 windows evenly chosen."""
    step = max(1, -(-len(target) // _POINTS))

    def draw(axes: Axes) -> None:
        error = (score - target)[::step]
        axes.plot(target[::step], error, ls="none", marker=".", ms=3, color=_CHOSEN, alpha=0.6)
        axes.axhline(0, color=_INK, lw=0.8)
        axes.set(xlabel=f"target {unit}".strip(), ylabel=f"score - target {unit}".strip())

    return _svg("residuals", HALF, draw, legend=False)


def receiver(found: Curves, limit: float) -> str:
    """Draw recall against the share of false alarms, the limit marked."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_FAINT, lw=0.8)
        axes.plot(found.false_alarms, found.recall, color=_CHOSEN)
        _point(axes, found.false_alarms, found, limit, found.recall)
        axes.set(xlabel="false alarms of all negatives", ylabel="recall", title="ROC")

    return _svg("roc", HALF, draw)


def precision(found: Curves, limit: float) -> str:
    """Draw precision against recall, the limit marked."""

    def draw(axes: Axes) -> None:
        axes.step(found.recall, found.precision, where="pre", color=_CHOSEN)
        _point(axes, found.recall, found, limit, found.precision)
        axes.set(xlabel="recall", ylabel="precision", ylim=(-0.02, 1.04), title="precision and recall")

    return _svg("pr", HALF, draw)


def _styles(series: Mapping[str, Floats]) -> tuple[tuple[str, float], ...]:
    return _SERIES[-len(series) :]


def _point(axes: Axes, x: Floats, found: Curves, limit: float, y: Floats) -> None:
    at = int(np.sum(found.limit >= limit)) - 1
    axes.plot(x[at], y[at], marker="o", ls="none", color=_LIMIT, label=f"limit {limit:g}", clip_on=False)


def _mark(line: Callable[..., object], limit: float | None) -> None:
    if limit is not None:
        line(limit, color=_LIMIT, lw=1.2, ls="--", label=f"limit {limit:g}")


def _envelope(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Thin a long line so that its smallest and largest value in every stretch stay. NaN is a hole."""
    if len(x) <= 2 * _COLUMNS:
        return x, y
    starts = np.linspace(0, len(x), _COLUMNS, endpoint=False).astype(np.int64)
    ends = [np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)]
    return np.repeat(x[starts], 2), np.column_stack(ends).reshape(-1)


def _broken(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Break a line where rows are missing."""
    holes = np.flatnonzero(np.diff(x) > _HOLE * (x[-1] - x[0])) + 1
    return np.insert(x, holes, np.nan), np.insert(y, holes, np.nan)


def _svg(name: str, size: tuple[float, float], draw: Callable[[Axes], None], *, legend: bool = True) -> str:
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout="tight")
        axes = figure.subplots()
        draw(axes)
        if legend:
            axes.legend(loc="best", fontsize=8)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return _for_a_page(text.getvalue(), name)


def _for_a_page(svg: str, name: str) -> str:
    """Leave what a page needs of an SVG file; ids begin with `name`, which must be unique on the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>| xmlns(:xlink)?=\"[^\"]*\"", "", svg, flags=re.DOTALL
    )
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg.replace("xlink:href", "href"))
    svg = re.sub(r'\bid="|url\(#|href="#', lambda found: f"{found[0]}{name}-", svg)
    for told, wanted in _COLOURS.items():
        svg = svg.replace(told, wanted)
    return svg.replace("<svg", '<svg role="img"', 1)
