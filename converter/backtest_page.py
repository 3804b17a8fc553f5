"""A backtest for people: on the console, and as one page that needs nothing else."""

import math
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from converter import html
from converter.backtest import Backtest, Found, Rows

DAY = 86_400.0
_COUNTED = {
    "precision": "of the rows with an alarm, how many were in a fault",
    "recall": "of the rows in a fault, how many had an alarm",
    "f1": "the harmonic mean of the two",
    "far": "of the healthy rows, how many had an alarm",
    "mar": "of the rows in a fault, how many had none",
}


def show(found: Backtest, console: Console) -> None:
    """Print what there is to know."""
    table = Table("fault", "start", title="faults", title_justify="left")
    for column in ("alarm after", "before its end"):
        table.add_column(column, justify="right")
    for one in found.found:
        table.add_row(one.fault.name, _moment(one.fault.start), *_met(one))
    console.print(table)
    for name, fact in _facts(found).items():
        console.print(f"{name:<18} {fact}", highlight=False)
    for metric, meaning in _COUNTED.items():
        console.print(f"{metric:<18} {getattr(found, metric):.4g}  {meaning}", highlight=False)


def write(path: Path, title: str, rows: Rows, found: Backtest) -> None:
    """Write the page, whole or not at all. Raises OSError."""
    # matplotlib takes a second to import.
    from converter import plots  # noqa: PLC0415

    start = float(rows.at[0])
    spans = [((one.fault.start - start) / DAY, (one.fault.end - start) / DAY) for one in found.found]
    drawn = plots.history((rows.at - start) / DAY, rows.score, rows.alarm, spans, "score")
    told = f"Days since {_moment(start)}. Shaded: the faults. Below: where the alarm was raised."
    if found.without_result:
        told += " Where the line is broken, there was no score."
    head = ["fault", "start", "end", "alarm after", "before its end"]
    faults = [
        [one.fault.name, _moment(one.fault.start), _moment(one.fault.end), *_met(one)] for one in found.found
    ]
    metrics: list[list[html.Cell]] = [[m, getattr(found, m), meaning] for m, meaning in _COUNTED.items()]
    html.write(
        path,
        title,
        [
            html.heading(title, f"{found.rows} rows from {_moment(start)} to {_moment(float(rows.at[-1]))}"),
            html.tiles(_facts(found)),
            html.section("Score and faults", html.figure(drawn, told, wide=True)),
            html.section("Faults", html.table(head, faults, name="faults")),
            html.section("Row by row", html.table(["metric", "", "meaning"], metrics, name="metrics")),
        ],
    )


def _facts(found: Backtest) -> dict[str, str]:
    leads = sorted(one.lead for one in found.found if not one.missed)
    median = leads[len(leads) // 2] if leads else math.nan
    return {
        "faults missed": f"{found.missed} of {len(found.found)}",
        "median lead": _span(median),
        "false alarms": str(found.false_alarms),
        "false per week": html.number(found.false_per_week, 3),
        "healthy time": _span(found.healthy),
        "without a result": f"{found.without_result} rows",
    }


def _met(one: Found) -> tuple[str, str]:
    return ("missed", "") if one.missed else (_span(one.delay), _span(one.lead))


def _span(seconds: float) -> str:
    """Return a duration as people say it."""
    if math.isnan(seconds):
        return "-"
    for unit, size in (("days", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
