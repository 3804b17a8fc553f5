"""The command `edge-agent map`: the register map, the contract, and the PLC's half as a program."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from edge_agent.config import ConfigError, load


@click.command("map")
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def map_command(config: Path, folder: Path, *, as_json: bool) -> None:
    """Write register map and function blocks for the PLC. And the contract; connects to nothing."""
    from edge_agent.mapping import files  # noqa: PLC0415 - each command imports what it needs

    try:
        paths = files.write(files.render(load(config), datetime.now(UTC)), folder)
    except ConfigError as error:
        _fail("\n".join(error.errors), 78)
    except files.MapError as error:
        _fail(f"{config}: {error}", 78)
    except OSError as error:
        _fail(f"{folder}: {error.strerror or error}")
    click.echo(msgspec.json.encode([str(path) for path in paths]) if as_json else "\n".join(map(str, paths)))


def _fail(message: str, code: int = 1) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)
