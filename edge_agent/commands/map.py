"""The command `edge-agent map`: the register map, the contract, and the PLC's half as a program."""

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from edge_agent.commands.shared import BAD_CONFIGURATION, CONFIG, FOLDER_PATH, JSON, fail
from edge_agent.config import ConfigError, load


@click.command("map")
@CONFIG
@click.option(
    "-o",
    "--out",
    "folder",
    type=FOLDER_PATH,
    required=True,
    help="The folder.",
)
@JSON
def map_command(config: Path, folder: Path, *, as_json: bool) -> None:
    """Write register map and function blocks for the PLC. And the contract; connects to nothing."""
    from edge_agent.mapping import files  # noqa: PLC0415 - each command imports what it needs

    try:
        paths = files.write(files.render(load(config), datetime.now(UTC)), folder)
    except ConfigError as error:
        fail("\n".join(error.errors), BAD_CONFIGURATION)
    except files.MapError as error:
        fail(f"{config}: {error}", BAD_CONFIGURATION)
    except OSError as error:
        fail(f"{folder}: {error.strerror or error}")
    click.echo(msgspec.json.encode([str(path) for path in paths]) if as_json else "\n".join(map(str, paths)))
