"""The command `edge-agent browse`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edge_agent.commands.shared import FILE_PATH, JSON, fail
from edge_agent.config import ConfigError, load
from edge_agent.config.fields import Seconds, nearest
from edge_agent.config.tables import OpcUaTable

if TYPE_CHECKING:
    from edge_agent.drivers.opcua.browse import Found

TIMEOUT = 10
"""Seconds that a server may take for an answer: somebody waits for it, and a tree is a lot to ask for."""

_DESCRIBE = (
    "; describe it as a [device.NAME] of a configuration FILE, then edge-agent pki explain FILE, and "
    "edge-agent browse NAME --config FILE"
)


@click.command()
@click.argument("target", metavar="URL|DEVICE")
@click.option("--config", type=FILE_PATH, help="Where DEVICE is described.")
@click.option("--insecure", is_flag=True, help="Browse a URL without security.")
@click.option("--start", default="/Objects", show_default=True, help="Node id or browse path to begin at.")
@click.option("--depth", type=click.IntRange(0, 50), default=8, show_default=True, help="Levels below it.")
@click.option("--filter", "wanted", default="", help="Show only paths that contain this.")
@click.option("--csv", type=FILE_PATH, help="Write a tag file.")
@JSON
def browse(
    target: str,
    *,
    config: Path | None,
    start: str,
    depth: int,
    wanted: str,
    csv: Path | None,
    insecure: bool,
    as_json: bool,
) -> None:
    """Show the nodes of an OPC UA server. With their types and values; reads only."""
    from edge_agent import tagfile  # noqa: PLC0415 - asyncua is imported only here
    from edge_agent.drivers import LinkDown  # noqa: PLC0415
    from edge_agent.drivers.opcua.breaking import Insecure  # noqa: PLC0415

    table = _table(target, config, insecure=insecure)
    if csv and csv.exists():
        fail(f"{csv}: exists already, and is left as it is; name another file")
    try:
        found, cut = asyncio.run(_nodes(table, start, depth))
        nodes = [node for node in found if wanted.lower() in node.path.lower()]
        if not nodes:
            fail(f"no path of the {len(found)} nodes at and below {start} contains {wanted!r}")
        written = tagfile.write(csv, nodes) if csv else None
    except Insecure as error:
        fail(f"{error}{_DESCRIBE if insecure else ''}")
    except tagfile.NothingToWrite as error:
        fail(f"{csv}: not written: {error}")
    except (LinkDown, LookupError, ValueError) as error:
        fail(str(error.args[0]))
    except OSError as error:
        fail(f"{csv}: {error.strerror}")
    if cut:
        click.echo(f"there is more than these {len(found)} nodes; say --start further down", err=True)
    if written is not None:
        click.echo(f"{csv}: {written.text()}")
    elif as_json:
        click.echo(msgspec.json.encode(nodes))
    else:
        click.echo("\n".join(map(_line, nodes)))


async def _nodes(table: OpcUaTable, start: str, depth: int) -> "tuple[list[Found], bool]":
    from edge_agent.drivers.opcua.address import parse_address  # noqa: PLC0415
    from edge_agent.drivers.opcua.describe import browse as described  # noqa: PLC0415
    from edge_agent.opcua import opcua  # noqa: PLC0415

    node = parse_address(start).node
    driver = opcua(table)
    try:
        await driver.connect()
        return await described(driver.session, node, depth)
    finally:
        await driver.close()


def _line(node: "Found") -> str:
    name = "  " * node.depth + node.name
    if not node.type:
        return f"{name:<40} {node.node}  {node.status}".rstrip()
    value = (
        "-" if node.value is None else f"{node.value:.6g}" if isinstance(node.value, float) else node.value
    )
    said = f"{value} {node.unit}".strip() + (f" {node.status}" if node.status else "")
    return f"{name:<40} {node.node}  {node.type}{' rw' if node.writable else ''}  {said}"


def _table(target: str, config: Path | None, *, insecure: bool) -> OpcUaTable:
    if "://" in target:
        if not insecure:
            fail("say --insecure to browse a URL; with --config FILE and a DEVICE its security is used")
        return OpcUaTable(driver="opc-ua", url=target, security="none", timeout=Seconds(TIMEOUT))
    if config is None:
        fail(f"{target} is not a URL; say --config FILE, where a device of that name is")
    try:
        devices = {d.name: d.table for d in load(config).devices if isinstance(d.table, OpcUaTable)}
    except ConfigError as error:
        for line in error.errors:
            click.echo(line, err=True)
        sys.exit(os.EX_CONFIG)
    if target not in devices:
        fail(f"there is no OPC UA device {target!r}; {nearest(target, devices)}")
    return devices[target]
