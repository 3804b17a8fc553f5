"""What commands have in common: arguments, options, and how they fail."""

import os
import pwd
import sys
from pathlib import Path
from typing import NoReturn

import click

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


def who() -> str:
    """Return the name of the person who asks, sudo or not."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
