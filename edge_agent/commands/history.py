"""Commands about what the agent kept."""

import math
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from edge_agent.commands.shared import CONFIG, FILE_PATH, fail
from edge_agent.config.fields import seconds_of

_HOW = "write it as 2026-11-23 or 2026-11-23T06:30 (UTC), or how long ago: 90s, 30min, 2h, 7d"
WHAT = ("results", "alarms", "events", "audit", "flight")


class _Moment(click.ParamType[float]):
    """A time: ISO 8601, UTC if nothing is said, or how long ago, as a configuration says it, or ``30m``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            return time.time() - seconds_of(f"{text}in" if text.endswith("m") else text)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no time: {_HOW}", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@click.group()
def history() -> None:
    """What the agent kept. Results, alarms, events, the audit, and every image of the flight recorder."""


@history.command()
@CONFIG
@click.argument("what", type=click.Choice(WHAT))
@click.option(
    "-o",
    "--out",
    type=FILE_PATH,
    required=True,
    help=".csv or .parquet; new.",
)
@click.option(
    "--since",
    type=_Moment(),
    default=-math.inf,
    help="Such as 2026-11-23T06:30 (UTC), or how long ago: 90s, 30min, 2h, 7d.",
)
@click.option("--until", type=_Moment(), default=math.inf, help="The same.")
@click.option("--period", type=float, help="Of flight: the scan, in seconds; else the shortest.")
@click.option("--quality", is_flag=True, help="Of flight: a column for the quality of each tag.")
def export(
    config: Path, what: str, out: Path, *, since: float, until: float, period: float | None, quality: bool
) -> None:
    """Write what CONFIG's agent kept to a CSV or Parquet file. The agent may be running."""
    from edge_agent.historian import FILE  # noqa: PLC0415 - each command imports what it needs
    from edge_agent.history.export import export_flight, export_rows  # noqa: PLC0415
    from edge_agent.history.flight import FOLDER  # noqa: PLC0415
    from edge_agent.history.tables import ExportError  # noqa: PLC0415
    from edge_agent.status import NotRunning, folder  # noqa: PLC0415

    if since > until:
        raise click.UsageError("--since is after --until, so nothing is between them")
    try:
        state = folder(config)
        if what == "flight":
            rows = export_flight(state / FOLDER, since, until, out, period=period, quality=quality)
        else:
            rows = export_rows(state / FILE, what, since, until, out)
    except (ExportError, NotRunning, ValueError) as error:
        fail(str(error))
    except sqlite3.Error as error:
        fail(f"{state / FILE}: {error}; is there a history, and may this user read it?")
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}")
    click.echo(f"{out}: {rows} rows")
