"""Commands about the alarms of the running agent: which there are, acknowledge, shelve, reset, comment."""

from pathlib import Path

import click
import msgspec

from edge_agent.commands.shared import CONFIG, JSON, fail
from edge_agent.config.fields import seconds_of

_MACHINE = click.argument("machine")
_OUTPUT = click.argument("output", default="")


@click.group(invoke_without_command=True)
@CONFIG
@JSON
@click.pass_context
def alarms(context: click.Context, config: Path, *, as_json: bool) -> None:
    """List alarms; acknowledge, shelve or reset them. Without OUTPUT all of CONFIG's agent."""
    context.obj = config
    if context.invoked_subcommand is None:
        _list(config, as_json=as_json)


@alarms.command()
@_MACHINE
@_OUTPUT
@click.option("--comment", "text", default="", help="Kept with it in the history.")
@click.pass_obj
def acknowledge(config: Path, machine: str, output: str, text: str) -> None:
    """Say that somebody has seen it."""
    _ask(config, "acknowledge", machine, output, comment=text)


@alarms.command()
@_MACHINE
@click.argument("output")
@click.argument("text")
@click.pass_obj
def comment(config: Path, machine: str, output: str, text: str) -> None:
    """Keep TEXT in the history, beside OUTPUT's alarms."""
    _ask(config, "comment", machine, output, comment=text)


@alarms.command()
@_MACHINE
@_OUTPUT
@click.pass_obj
def reset(config: Path, machine: str, output: str) -> None:
    """Let go of what is latched, acknowledged and gone."""
    _ask(config, "reset", machine, output)


@alarms.command()
@_MACHINE
@click.argument("output")
@click.argument("duration")
@click.pass_obj
def shelve(config: Path, machine: str, output: str, duration: str) -> None:
    """Take OUTPUT's alarm and warning away for DURATION. Such as 30min or 2h, a shift at most."""
    try:
        seconds = seconds_of(duration)
    except ValueError as error:
        raise click.BadParameter(f"{duration!r}: {error}") from None
    _ask(config, "shelve", machine, output, shelf=seconds)


@alarms.command()
@_MACHINE
@_OUTPUT
@click.pass_obj
def unshelve(config: Path, machine: str, output: str) -> None:
    """Bring back what was shelved, now."""
    _ask(config, "unshelve", machine, output)


def _list(config: Path, *, as_json: bool) -> None:
    from edge_agent.status import NotRunning, ask, folder  # noqa: PLC0415 - only who asks pays for it

    try:
        machines = ask(folder(config)).machines
    except NotRunning as error:
        fail(str(error))
    if as_json:
        click.echo(msgspec.json.encode({m.name: m.outputs for m in machines}))
        return
    for machine in machines:
        for output in machine.outputs:
            score = "-" if output.score is None else f"{output.score:.4g}"
            click.echo(
                f"{machine.name:20} {output.name:20} {score:>10}  "
                f"alarm {output.alarm_state}, warning {output.warning_state}"
            )


def _ask(
    config: Path, do: str, machine: str, output: str, *, shelf: float | None = None, comment: str = ""
) -> None:
    from edge_agent.control import Refused, Request, ask  # noqa: PLC0415
    from edge_agent.status import NotRunning, folder  # noqa: PLC0415

    try:
        named = {"do": do, "machine": machine, "output": output, "shelf": shelf, "comment": comment}
        ask(folder(config), msgspec.convert(named, Request))
    except (NotRunning, Refused) as error:
        fail(str(error))
    when = "kept" if do == "comment" else "in its next cycle"
    click.echo(f"{do} {machine} {output or '(all outputs)'}: {when}")
