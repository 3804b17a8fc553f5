"""What commands have in common: arguments, options, and how they fail."""

import os
import pwd
import sys
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from edge_agent.config import Config, ConfigError, load

BAD_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h: systemd is told not to restart on it."""

FILE_PATH = click.Path(path_type=Path, dir_okay=False)
FOLDER_PATH = click.Path(path_type=Path, file_okay=False)
CONFIG = click.argument("config", type=FILE_PATH)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong on standard error and exit."""
    click.echo(message, err=True)
    sys.exit(code)


def loaded(
    config: Path,
    *,
    as_json: bool = False,
    check_units: bool = False,
    lenient: bool = False,
    office: Path | None = None,
) -> Config:
    """Return the configuration, or say all that is wrong with it and exit; see `edge_agent.config.load`."""
    try:
        return load(config, check_units=check_units, lenient=lenient, office=office)
    except ConfigError as error:
        refuse(error.errors, as_json=as_json)


def refuse(errors: list[str], *, as_json: bool) -> NoReturn:
    """Say what is wrong with a configuration and exit."""
    if as_json:
        click.echo(msgspec.json.encode({"errors": errors}))
    for line in errors:
        click.echo(line, err=True)
    sys.exit(BAD_CONFIGURATION)


def who() -> str:
    """Return the name of the person who asks, sudo or not."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
