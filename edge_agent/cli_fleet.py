"""The commands of `edge-agent fleet`: what many gateways run, from a desk in the office."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
import msgspec

if TYPE_CHECKING:
    from edge_agent.config.north import MqttTable
    from edge_agent.fleet.documents import Do, Reported
    from edge_agent.fleet.office import Gate

_FILE = click.Path(path_type=Path, dir_okay=False)
_BROKER = click.option(
    "--broker", type=_FILE, required=True, help="A TOML file with [mqtt]: the plant's broker and group."
)


@click.group()
def fleet() -> None:
    """Many gateways over the plant's MQTT broker: what each runs, and rollouts stage by stage."""


@fleet.command()
@_BROKER
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def status(broker: Path, *, as_json: bool) -> None:
    """Show what every gateway said last."""
    from edge_agent.fleet.office import Office  # noqa: PLC0415 - each command imports what it needs

    async def look() -> list["Reported"]:
        async with Office.connected(_mqtt(broker)) as office:
            return [office.reports[name] for name in sorted(office.reports)]

    with _failing():
        reports = asyncio.run(look())
    if as_json:
        click.echo(msgspec.json.encode(reports))
        return
    for report in reports:
        click.echo(_line(report))
    click.echo(f"{len(reports)} gateways")


@fleet.command()
@click.argument("bundle", type=_FILE)
@_BROKER
@click.option("--key", "key_file", type=_FILE, required=True, help="The office's private key.")
@click.option("--group", "groups", default="", help="Only gateways of these groups: a,b.")
@click.option("--stage", "shares", default="5%,25%,100%", show_default=True, help="Shares of the gateways.")
@click.option(
    "--as", "do", type=click.Choice(["activate", "candidate"]), default="activate", show_default=True
)
@click.option(
    "--ready", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Share to be well."
)
@click.option("--failures", type=click.IntRange(0), default=0, show_default=True, help="So many may fail.")
@click.option(
    "--timeout", type=click.FloatRange(1), default=3600.0, show_default=True, help="Seconds a stage."
)
def rollout(
    bundle: Path,
    *,
    broker: Path,
    key_file: Path,
    groups: str,
    shares: str,
    do: "Do",
    ready: float,
    failures: int,
    timeout: float,
) -> None:
    """Bring BUNDLE to gateways, stage by stage; stop and exit 1 where a stage does not pass its gate."""
    from edge_agent.fleet.office import Gate  # noqa: PLC0415

    with _failing():
        gate = Gate(ready=ready, failures=failures, timeout=timeout)
        done = asyncio.run(
            _rollout(
                bundle,
                mqtt=_mqtt(broker),
                key_file=key_file,
                groups=groups,
                shares=shares,
                do=do,
                gate=gate,
            )
        )
    sys.exit(0 if done else 1)


async def _rollout(
    bundle: Path, *, mqtt: "MqttTable", key_file: Path, groups: str, shares: str, do: "Do", gate: "Gate"
) -> bool:
    from edge_agent.fleet import stages  # noqa: PLC0415
    from edge_agent.fleet.office import Office, roll_out  # noqa: PLC0415
    from edge_agent.trust import private_key  # noqa: PLC0415

    key, parsed = private_key(key_file), stages.parse(shares)
    chosen = {group.strip() for group in groups.split(",") if group.strip()}
    async with Office.connected(mqtt) as office:
        names = [r.gateway for r in office.reports.values() if not chosen or r.group in chosen]
        if not names:
            _fail(
                f"no gateway {'of ' + groups if groups else ''} has reported at this broker".replace(
                    "  ", " "
                )
            )
        what = await office.release(bundle, do)
        split = stages.split(names, parsed, what.file.sha256)
        return await roll_out(office, split, what=what, key=key, gate=gate, say=click.echo)


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
    from edge_agent.config.fields import ConfigError  # noqa: PLC0415
    from edge_agent.config.north import broker_of  # noqa: PLC0415

    try:
        return broker_of(file)
    except ConfigError as error:
        _fail("\n".join(error.errors), 78)


@contextmanager
def _failing() -> Iterator[None]:
    from aiomqtt import MqttError  # noqa: PLC0415

    from edge_agent.bundle import BundleError  # noqa: PLC0415
    from edge_agent.credentials import NoCredential  # noqa: PLC0415
    from edge_agent.fleet.documents import BadDocument  # noqa: PLC0415
    from edge_agent.fleet.stages import BadStages  # noqa: PLC0415
    from edge_agent.trust import BadKey  # noqa: PLC0415

    try:
        yield
    except (BundleError, BadDocument, BadKey, BadStages, NoCredential) as error:
        _fail(str(error))
    except MqttError as error:
        _fail(f"the broker: {error}")


def _fail(message: str, code: int = 1) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)
