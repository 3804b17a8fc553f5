"""Commands about what the agent writes: stop it all, resume, prove the audit whole."""

import sqlite3
import sys
from pathlib import Path

import click

from edge_agent.commands.shared import CONFIG, fail
from edge_agent.status import NotRunning, folder


@click.command("stop-writing")
@CONFIG
def stop_writing(config: Path) -> None:
    """Stop all writing of CONFIG's agent within one cycle. Until `resume-writing`; PLCs then fall back."""
    file = _stop_file(config)
    try:
        file.touch()
    except OSError as error:
        fail(f"{file}: {error.strerror}; this needs the right to write into the state folder")
    click.echo(f"nothing is written while {file} is there")


@click.command("resume-writing")
@CONFIG
@click.option("--rearm", metavar="MACHINE", help="Re-arm a machine whose writing is latched off.")
def resume_writing(config: Path, rearm: str | None) -> None:
    """Let CONFIG's agent write again what its mode lets it."""
    if rearm is not None:
        _rearm(config, rearm)
        return
    file = _stop_file(config)
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        fail(f"{file}: {error.strerror}; this needs the right to write into the state folder")
    click.echo("writing is as the configuration has it")


@click.group()
def audit() -> None:
    """The record of all writes of declared outputs."""


@audit.command()
@CONFIG
def verify(config: Path) -> None:
    """Find rows of the audit that were changed or are missing. Exit 1 if there are any."""
    from edge_agent.historian import FILE  # noqa: PLC0415 - the commands above need no database
    from edge_agent.history import audit as chain  # noqa: PLC0415

    try:
        path = folder(config) / FILE
        wrong = chain.verify(path)
    except (NotRunning, sqlite3.Error) as error:
        fail(f"{config}: the audit cannot be read: {error}")
    for line in wrong:
        click.echo(line)
    if wrong:
        sys.exit(1)
    click.echo(f"{path}: the audit is whole")


def _rearm(config: Path, machine: str) -> None:
    from edge_agent.control import Refused, Request, ask  # noqa: PLC0415

    try:
        ask(folder(config), Request(do="rearm", machine=machine))
    except (NotRunning, Refused) as error:
        fail(str(error))
    click.echo(f"machine {machine} writes again what its mode lets it")


def _stop_file(config: Path) -> Path:
    from edge_agent.stop import FILE  # noqa: PLC0415

    try:
        return folder(config) / FILE
    except NotRunning as error:
        fail(str(error))
