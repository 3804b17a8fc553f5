"""The commands of `edge-agent fleet`: what many gateways run, from a desk in the office."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edge_agent.commands.office import at, chosen
from edge_agent.commands.rollouts import BROKER, EXCLUDE, GATEWAYS, GROUPS, KEY, roll_out, staged
from edge_agent.commands.shared import CONFIG, FILE_PATH, JSON, fail, who
from edge_agent.config.fields import seconds_of

if TYPE_CHECKING:
    from edge_agent.fleet.documents import Bundle, CommandName, Do
    from edge_agent.fleet.office import Office


@click.group()
def fleet() -> None:
    """Many gateways over the plant's MQTT broker: what each runs, and rollouts stage by stage."""


@fleet.command()
@BROKER
@JSON
def status(broker: Path, *, as_json: bool) -> None:
    """Show what every gateway said last, and which files the broker keeps for whom."""
    from edge_agent.fleet.office import FILES_KEPT  # noqa: PLC0415
    from edge_agent.fleet.saying import lines  # noqa: PLC0415
    from edge_agent.fleet.withdrawing import held  # noqa: PLC0415

    async def look(office: "Office") -> None:
        for name, why in sorted(office.unread.items()):
            click.echo(f"{name}: its report cannot be read: {why}", err=True)
        reports = [office.reports[name] for name in sorted(office.reports)]
        if as_json:
            click.echo(msgspec.json.encode(reports))
            return
        for report in reports:
            click.echo("\n".join(lines(report, time.time())))
        click.echo(f"{len(reports)} gateways")
        if files := await held(office):
            days = FILES_KEPT / 86_400
            click.echo(f"files at the broker, until who needs one has it, {days:g} days at most:")
            click.echo("\n".join(f"  {file.text()}" for file in files))

    at(broker, look)


@fleet.command()
@click.argument("bundle", type=FILE_PATH)
@staged
@click.option(
    "--as", "do", type=click.Choice(["activate", "candidate"]), default="activate", show_default=True
)
def rollout(bundle: Path, broker: Path, do: "Do", **options: Any) -> None:
    """Bring BUNDLE to gateways, stage by stage. Stop and exit 1 where a stage does not pass its gate."""
    roll_out(broker, lambda office: office.release(bundle, do), **options)


@fleet.command()
@click.argument("bundle", type=FILE_PATH)
@staged
def promote(bundle: Path, broker: Path, **options: Any) -> None:
    """Make BUNDLE, a candidate, the active version. At gateways where it has shown enough, stage by stage."""
    from edge_agent import bundle as files  # noqa: PLC0415
    from edge_agent.fleet.office import order_of  # noqa: PLC0415
    from edge_agent.fleet.saying import unready  # noqa: PLC0415

    async def order(_: "Office") -> "Bundle":
        return order_of(bundle, files.load(bundle), "promote")

    def ready(office: "Office", names: Sequence[str], what: "Bundle") -> list[str]:
        found = {name: unready(office.reports[name], what) for name in names}
        for name, why in found.items():
            if why:
                click.echo(f"{name}: left out: {why}")
        if all(found.values()):
            fail("no gateway may promote it")
        return [name for name, why in found.items() if not why]

    roll_out(broker, order, ready, **options)


@fleet.command()
@CONFIG
@staged
def configure(config: Path, broker: Path, **options: Any) -> None:
    """Bring CONFIG to gateways, stage by stage. Its links, devices, machines and tag files; see `rollout`."""
    roll_out(broker, lambda office: office.configuration(config), **options)


@fleet.command()
@click.argument("do", type=click.Choice(["rollback", "activate", "stop-writing", "acknowledge"]))
@click.argument("target", metavar="[NAME@SEQUENCE | MACHINE]", default="")
@click.argument("output", default="")
@BROKER
@KEY
@GROUPS
@GATEWAYS
@EXCLUDE
@click.option("--expires", default="15min", show_default=True, help="Not done after that.")
@click.option("--timeout", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds to wait.")
def command(do: "CommandName", target: str, output: str, broker: Path, **options: Any) -> None:
    """Have gateways do something once. Go back from a version, activate one, stop writing, acknowledge."""
    from edge_agent.fleet.commands import BadCommand, command_of  # noqa: PLC0415
    from edge_agent.fleet.rollout import Gate  # noqa: PLC0415
    from edge_agent.fleet.rollout import roll_out as bring  # noqa: PLC0415
    from edge_agent.trust import private_key  # noqa: PLC0415

    try:
        what = command_of(do, target, output, time.time() + seconds_of(options["expires"]))
    except (BadCommand, ValueError) as error:
        raise click.UsageError(str(error)) from None

    async def tell(office: "Office") -> bool:
        key = private_key(options["key"])
        gate = Gate(ready=1.0, failures=sys.maxsize, timeout=options["timeout"])
        names = chosen(office, options["groups"], options["gateways"], options["exclude"])
        return await bring(office, [names], what=what, key=key, gate=gate, say=click.echo)

    sys.exit(0 if at(broker, tell) else 1)


@fleet.command()
@BROKER
@click.argument("sha256", nargs=-1)
def withdraw(broker: Path, sha256: tuple[str, ...]) -> None:
    """Take files off the broker. All that no gateway needs, or only those of these SHA-256."""
    from edge_agent.fleet.withdrawing import withdraw as clear  # noqa: PLC0415

    for line in at(broker, lambda office: clear(office, sha256)):
        click.echo(line)


@fleet.command()
@BROKER
@click.argument("gateways", metavar="GATEWAY...", nargs=-1, required=True)
def forget(broker: Path, gateways: tuple[str, ...]) -> None:
    """Clear orders and reports of gateways. Of those that are no more; others would report again."""
    from edge_agent.fleet.withdrawing import forget as clear  # noqa: PLC0415

    for line in at(broker, lambda office: clear(office, gateways)):
        click.echo(line)


@fleet.command()
@CONFIG
def own(config: Path) -> None:
    """Leave the office's configuration. At a gateway: CONFIG's own links, devices and machines are back."""
    from edge_agent.bundles.store import StoreError  # noqa: PLC0415
    from edge_agent.bundles.telling import tell  # noqa: PLC0415
    from edge_agent.configurations import Configurations  # noqa: PLC0415
    from edge_agent.status import NotRunning, folder  # noqa: PLC0415

    try:
        state = folder(config)
        left = Configurations(state).leave(who())
        click.echo(f"left {left}; {tell(state)}" if left else "no configuration of the office is in use")
    except (NotRunning, StoreError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
