"""The commands of `edge-agent fleet`: what many gateways run, from a desk in the office."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
import msgspec

from edge_agent.commands.shared import BAD_CONFIGURATION, CONFIG, FILE_PATH, JSON, fail
from edge_agent.config.fields import seconds_of

if TYPE_CHECKING:
    from edge_agent.config.north import MqttTable
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
        return [office.reports[name] for name in sorted(office.reports)]

    reports = _at(broker, look)
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
    """Bring BUNDLE to gateways, stage by stage; stop and exit 1 where a stage does not pass its gate."""
    _roll_out(broker, lambda office: office.release(bundle, do), **options)


@fleet.command()
@CONFIG
@_staged
def configure(config: Path, broker: Path, **options: Any) -> None:
    """Bring the links, devices and machines of CONFIG, and its tag files, to gateways, as `rollout` does."""
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
    """Have gateways do something once: go back from a version, activate one, stop writing, acknowledge."""
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
        names = _chosen(office, options["groups"], options["gateways"])
        return await roll_out(office, [names], what=what, key=key, gate=gate, say=click.echo)

    sys.exit(0 if _at(broker, tell) else 1)


@fleet.command()
@_BROKER
@click.argument("sha256", nargs=-1)
def withdraw(broker: Path, sha256: tuple[str, ...]) -> None:
    """Take files off the broker that no order names any more: all such, or only those that are named."""
    from edge_agent.fleet.withdrawing import withdraw as clear  # noqa: PLC0415

    for line in _at(broker, lambda office: clear(office, sha256)):
        click.echo(line)


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
        names = _chosen(office, groups, gateways)
        what = await what_of(office)
        split = stages.split(names, parsed, what.text())
        gate = Gate(ready=ready, failures=failures, timeout=timeout)
        return await roll_out(office, split, what=what, key=private, gate=gate, say=click.echo)

    sys.exit(0 if _at(broker, bring) else 1)


def _chosen(office: "Office", groups: str, gateways: str) -> list[str]:
    """Return the gateways that have reported, of these groups and of these names if any are given."""
    in_groups, named = _names(groups), _names(gateways)
    if missing := sorted(named - office.reports.keys()):
        fail(f"no gateway {', '.join(missing)} has reported at this broker")
    found = [
        report.gateway
        for report in office.reports.values()
        if (not in_groups or report.group in in_groups) and (not named or report.gateway in named)
    ]
    if not found:
        fail(f"no gateway {f'of {groups} ' if groups else ''}has reported at this broker")
    return found


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


T = TypeVar("T")


def _at(broker: Path, do: Callable[["Office"], Awaitable[T]]) -> T:
    """Do something while connected to the broker. Ends the process with one line if that fails."""
    from edge_agent.fleet.office import Office  # noqa: PLC0415 - each command imports what it needs

    async def connected() -> T:
        async with Office.connected(_mqtt(broker)) as office:
            return await do(office)

    with _failing():
        return asyncio.run(connected())


def _line(report: "Reported") -> str:
    said = f"{report.gateway:<24} {report.group:<12} {_ago(report.time):>8}"
    versions = ", ".join(
        f"{name}@{v.active}{'' if v.committed else ' on trial'}"
        + (f" (candidate {v.candidate})" if v.candidate else "")
        for name, v in report.bundles.items()
    )
    orders = (f"{subject}: {p.stage} {p.detail}".strip() for subject, p in report.orders.items())
    return "  ".join(filter(None, (said, versions, *orders)))


def _ago(at: float) -> str:
    seconds = max(0.0, time.time() - at)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _mqtt(file: Path) -> "MqttTable":
    """Read the broker's section of a file that needs no more than that."""
    from edge_agent.config.north import broker_of  # noqa: PLC0415

    return broker_of(file)


@contextmanager
def _failing() -> Iterator[None]:
    from aiomqtt import MqttError  # noqa: PLC0415

    from edge_agent.bundle import BundleError  # noqa: PLC0415
    from edge_agent.config.fields import ConfigError  # noqa: PLC0415
    from edge_agent.credentials import NoCredential  # noqa: PLC0415
    from edge_agent.fleet.documents import BadDocument  # noqa: PLC0415
    from edge_agent.fleet.stages import BadStages  # noqa: PLC0415
    from edge_agent.trust import BadKey  # noqa: PLC0415

    try:
        yield
    except ConfigError as error:
        fail("\n".join(error.errors), BAD_CONFIGURATION)
    except (BundleError, BadDocument, BadKey, BadStages, NoCredential) as error:
        fail(str(error))
    except MqttError as error:
        fail(f"the broker: {error}")
