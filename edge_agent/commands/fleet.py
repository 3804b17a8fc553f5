"""The commands of `edge-agent fleet`: what many gateways run, from a desk in the office."""

import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
import msgspec

from edge_agent.commands.office import at, chosen
from edge_agent.commands.shared import CONFIG, FILE_PATH, JSON, fail, who
from edge_agent.config.fields import seconds_of

if TYPE_CHECKING:
    from edge_agent.fleet.documents import CommandName, Do, Reported, What
    from edge_agent.fleet.office import Office

F = TypeVar("F", bound=Callable[..., Any])
_BROKER = click.option(
    "--broker", type=FILE_PATH, required=True, help="A TOML file with [mqtt]: the plant's broker and group."
)
_KEY = click.option("--key", type=FILE_PATH, required=True, help="The office's private key.")
_GROUPS = click.option("--group", "groups", default="", help="Only gateways of these groups: a,b.")
_GATEWAYS = click.option("--gateway", "gateways", default="", help="Only these gateways: a,b.")
_GATE = (
    click.option("--stage", "shares", default="5%,25%,100%", show_default=True, help="Shares, growing."),
    click.option(
        "--ready", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Share to be well."
    ),
    click.option(
        "--failures", type=click.IntRange(0), default=0, show_default=True, help="So many may fail."
    ),
    click.option(
        "--timeout", type=click.FloatRange(1), default=3600.0, show_default=True, help="Seconds a stage."
    ),
)


def _staged(command: F) -> F:
    for option in reversed((_BROKER, _KEY, _GROUPS, _GATEWAYS, *_GATE)):
        command = option(command)
    return command


@click.group()
def fleet() -> None:
    """Many gateways over the plant's MQTT broker: what each runs, and rollouts stage by stage."""


@fleet.command()
@_BROKER
@JSON
def status(broker: Path, *, as_json: bool) -> None:
    """Show what every gateway said last."""

    async def look(office: "Office") -> list["Reported"]:
        for name, why in sorted(office.unread.items()):
            click.echo(f"{name}: its report cannot be read: {why}", err=True)
        return [office.reports[name] for name in sorted(office.reports)]

    reports = at(broker, look)
    if as_json:
        click.echo(msgspec.json.encode(reports))
        return
    for report in reports:
        click.echo(_line(report))
    click.echo(f"{len(reports)} gateways")


@fleet.command()
@click.argument("bundle", type=FILE_PATH)
@_staged
@click.option(
    "--as", "do", type=click.Choice(["activate", "candidate"]), default="activate", show_default=True
)
def rollout(bundle: Path, broker: Path, do: "Do", **options: Any) -> None:
    """Bring BUNDLE to gateways, stage by stage. Stop and exit 1 where a stage does not pass its gate."""
    _roll_out(broker, lambda office: office.release(bundle, do), **options)


@fleet.command()
@CONFIG
@_staged
def configure(config: Path, broker: Path, **options: Any) -> None:
    """Bring CONFIG to gateways, stage by stage. Its links, devices, machines and tag files; see `rollout`."""
    _roll_out(broker, lambda office: office.configuration(config), **options)


@fleet.command()
@click.argument("do", type=click.Choice(["rollback", "activate", "stop-writing", "acknowledge"]))
@click.argument("target", metavar="[NAME@SEQUENCE | MACHINE]", default="")
@click.argument("output", default="")
@_BROKER
@_KEY
@_GROUPS
@_GATEWAYS
@click.option("--expires", default="15min", show_default=True, help="Not done after that.")
@click.option("--timeout", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds to wait.")
def command(do: "CommandName", target: str, output: str, broker: Path, **options: Any) -> None:
    """Have gateways do something once. Go back from a version, activate one, stop writing, acknowledge."""
    from edge_agent.fleet.commands import BadCommand, command_of  # noqa: PLC0415
    from edge_agent.fleet.rollout import Gate, roll_out  # noqa: PLC0415
    from edge_agent.trust import private_key  # noqa: PLC0415

    try:
        what = command_of(do, target, output, time.time() + seconds_of(options["expires"]))
    except (BadCommand, ValueError) as error:
        raise click.UsageError(str(error)) from None

    async def tell(office: "Office") -> bool:
        key = private_key(options["key"])
        gate = Gate(ready=1.0, failures=sys.maxsize, timeout=options["timeout"])
        names = chosen(office, options["groups"], options["gateways"])
        return await roll_out(office, [names], what=what, key=key, gate=gate, say=click.echo)

    sys.exit(0 if at(broker, tell) else 1)


@fleet.command()
@_BROKER
@click.argument("sha256", nargs=-1)
def withdraw(broker: Path, sha256: tuple[str, ...]) -> None:
    """Take files off the broker. All that no order names any more, or only those of these SHA-256."""
    from edge_agent.fleet.withdrawing import withdraw as clear  # noqa: PLC0415

    for line in at(broker, lambda office: clear(office, sha256)):
        click.echo(line)


@fleet.command()
@_BROKER
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


def _roll_out(
    broker: Path,
    what_of: Callable[["Office"], Awaitable["What"]],
    *,
    key: Path,
    groups: str,
    gateways: str,
    shares: str,
    ready: float,
    failures: int,
    timeout: float,
) -> NoReturn:
    from edge_agent.fleet import stages  # noqa: PLC0415
    from edge_agent.fleet.rollout import Gate, roll_out  # noqa: PLC0415
    from edge_agent.trust import private_key  # noqa: PLC0415

    async def bring(office: "Office") -> bool:
        private, parsed = private_key(key), stages.parse(shares)
        names = chosen(office, groups, gateways)
        what = await what_of(office)
        split = stages.split(names, parsed, what.text())
        gate = Gate(ready=ready, failures=failures, timeout=timeout)
        return await roll_out(office, split, what=what, key=private, gate=gate, say=click.echo)

    sys.exit(0 if at(broker, bring) else 1)


def _line(report: "Reported") -> str:
    said = f"{report.gateway:<24} {report.group:<12} {_ago(report.time):>8}"
    versions = ", ".join(
        f"{name}@{v.active}{'' if v.committed else ' on trial'}"
        + (f" (candidate {v.candidate})" if v.candidate else "")
        for name, v in report.bundles.items()
    )
    configuration = f"configuration {report.configuration}" if report.configuration else ""
    orders = (f"{subject}: {p.stage} {p.detail}".strip() for subject, p in report.orders.items())
    return "  ".join(filter(None, (said, versions, configuration, *orders)))


def _ago(at: float) -> str:
    seconds = max(0.0, time.time() - at)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
