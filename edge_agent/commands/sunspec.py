"""The command `edge-agent sunspec`: where a device's SunSpec models begin."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edge_agent.commands.shared import BAD_CONFIGURATION, CONFIG, JSON, fail
from edge_agent.config import ConfigError, forbidden, load
from edge_agent.config.fields import nearest
from edge_agent.config.tables import ModbusTable

if TYPE_CHECKING:
    from edge_agent.sunspec import Model


@click.command()
@CONFIG
@click.argument("device")
@JSON
def sunspec(config: Path, device: str, *, as_json: bool) -> None:
    """Show the SunSpec models of DEVICE in CONFIG. With their bases; only reads."""
    from edge_agent.drivers import LinkDown  # noqa: PLC0415 - each command imports what it needs

    logging.basicConfig(level=logging.ERROR)  # where the map ends is no news
    try:
        devices = {d.name: d for d in load(config).devices}
        if device not in devices:
            fail(f"there is no device {device!r}; {nearest(device, devices)}")
        table = devices[device].table
        if not isinstance(table, ModbusTable):
            fail(f"device {device} speaks no Modbus: SunSpec models are in registers")
        models = asyncio.run(_models(table))
    except ConfigError as error:
        fail("\n".join(error.errors), BAD_CONFIGURATION)
    except (LookupError, LinkDown) as error:
        fail(f"device {device}: {error}")
    if as_json:
        click.echo(msgspec.json.encode(models))
        return
    for model in models:
        click.echo(f"model {model.number:<5} base = {model.base:<5} {model.length} registers")


async def _models(table: ModbusTable) -> "list[Model]":
    from edge_agent.build import driver_of  # noqa: PLC0415
    from edge_agent.sunspec import models  # noqa: PLC0415

    driver = driver_of(table)
    try:
        await driver.connect()
        return await models(driver, [forbidden.parse(text) for text in table.forbidden])
    finally:
        await driver.close()
