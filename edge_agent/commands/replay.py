"""The command `edge-agent replay`."""

import logging
import sys
from pathlib import Path

import click
import msgspec

from edge_agent.commands.shared import CONFIG, FILE_PATH, JSON

_DATA = click.Path(path_type=Path)


@click.command()
@CONFIG
@click.option("--data", type=_DATA, required=True, help="CSV, Parquet, or a flight recording.")
@click.option("-o", "--out", type=FILE_PATH, required=True, help="The rows to write: .csv or .parquet.")
@click.option("--machine", metavar="NAME", help="Only this machine.")
@click.option("--column", "columns", multiple=True, metavar="TAG=COLUMN", help="Where a tag is in the file.")
@click.option("--card", type=FILE_PATH, help="The bundle's card, if it names columns.")
@click.option("--time", default="", metavar="COLUMN", help="Which column says when; found if called time.")
@click.option("--rows-are-ticks", is_flag=True, help="Each row is the next tick, whatever its time.")
@JSON
def replay(
    config: Path,
    data: Path,
    out: Path,
    *,
    machine: str | None,
    columns: tuple[str, ...],
    card: Path | None,
    time: str,
    rows_are_ticks: bool,
    as_json: bool,
) -> None:
    """Play history through CONFIG, as fast as it goes. Writes down what the agent would have done."""
    from edge_agent.config import ConfigError, load  # noqa: PLC0415 - each command imports what it needs
    from edge_agent.inference.process import InferenceFailed  # noqa: PLC0415
    from edge_agent.replaying.columns import Named, of_card  # noqa: PLC0415
    from edge_agent.replaying.recording import RecordingError  # noqa: PLC0415
    from edge_agent.replaying.replay import only  # noqa: PLC0415
    from edge_agent.replaying.replay import replay as play  # noqa: PLC0415

    if time and rows_are_ticks:
        raise click.UsageError("--time and --rows-are-ticks exclude each other")
    tags = dict(_pair(text) for text in columns)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    try:
        named = Named(tags=tags, inputs=of_card(card) if card else {}, time=time)
        checked = load(config) if machine is None else only(load(config), machine)
        done = play(checked, data, out, named, rows_are_ticks=rows_are_ticks)
    except ConfigError as error:
        click.echo("\n".join(error.errors), err=True)
        sys.exit(78)
    except (RecordingError, InferenceFailed, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(msgspec.json.encode(done) if as_json else done.text())


def _pair(text: str) -> tuple[str, str]:
    tag, equals, column = text.partition("=")
    if not equals or not tag or not column:
        raise click.BadParameter(f"{text!r} is not such as press.flow='Volume Flow'", param_hint="--column")
    return tag, column
