"""The commands of `edge-agent pki`: certificates of OPC UA, ours and those that we trust."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from edge_agent.commands.shared import CONFIG, JSON
from edge_agent.config import Config, ConfigError, load
from edge_agent.config.fields import nearest
from edge_agent.config.schema import Device
from edge_agent.config.tables import OpcUaTable

if TYPE_CHECKING:
    from edge_agent.pki.folder import PkiFolder

F = TypeVar("F", bound=Callable[..., Any])

_SERVER = "opcua-server"
_DEVICE = click.option("--device", help=f"Whose folder, if there are several; {_SERVER} is our own server's.")


def _what(metavar: str) -> Callable[[F], F]:
    """Return an argument that may be several words, as tools print thumbprints."""
    return click.argument("what", metavar=metavar, nargs=-1, required=True)


@click.group()
def pki() -> None:
    """OPC UA certificates: ours, trusted ones, refused ones."""


@pki.command("list")
@CONFIG
@_DEVICE
@JSON
def list_(config: Path, device: str | None, *, as_json: bool) -> None:
    """List every certificate and revocation list, with its end. And every file that is neither."""
    from edge_agent.pki.listing import listed  # noqa: PLC0415 - each command imports what it needs

    with _failing():
        lines = listed(_folder(config, device), datetime.now(UTC))
    if as_json:
        click.echo(msgspec.json.encode(lines))
    else:
        click.echo("\n".join(line.text() for line in lines) or "no certificates")


@pki.command()
@CONFIG
@_what("THUMBPRINT|FILE")
@_DEVICE
@click.option("--issuer", is_flag=True, help="It only completes chains: do not trust what it issues.")
def trust(config: Path, what: tuple[str, ...], device: str | None, *, issuer: bool) -> None:
    """Trust a rejected certificate, or those in a file. Also revocation lists."""
    from edge_agent.pki import manage  # noqa: PLC0415

    with _failing():
        click.echo(manage.trust(_folder(config, device), " ".join(what), issuer=issuer))


@pki.command()
@CONFIG
@_what("THUMBPRINT")
@_DEVICE
def reject(config: Path, what: tuple[str, ...], device: str | None) -> None:
    """Trust a certificate no longer. An issuer's neither."""
    from edge_agent.pki import manage  # noqa: PLC0415

    with _failing():
        click.echo(manage.reject(_folder(config, device), " ".join(what)))


@pki.command()
@CONFIG
@_DEVICE
def renew(config: Path, device: str | None) -> None:
    """Make a new certificate of our own beside the present one. What is damaged is put aside."""
    from edge_agent.pki import manage  # noqa: PLC0415

    with _failing():
        click.echo(manage.renew(_folder(config, device), datetime.now(UTC)))


@pki.command()
@CONFIG
@click.argument("name", metavar="[DEVICE]", required=False)
def explain(config: Path, name: str | None) -> None:
    """Connect and tell what either side objects to. To all OPC UA devices, or to DEVICE; exit 1 if any."""
    import asyncio  # noqa: PLC0415

    from edge_agent.drivers.opcua.explain import explain as explained  # noqa: PLC0415
    from edge_agent.opcua import security_of  # noqa: PLC0415

    refused = False
    with _failing():
        for device, table in _secured(config, name):
            security = security_of(table)
            assert security is not None
            opened, lines = asyncio.run(explained(table.url, table.timeout, security))
            click.echo("\n  ".join([f"device {device.name}: {table.url}", *lines]))
            refused = refused or not opened
    if refused:
        sys.exit(1)


@contextmanager
def _failing() -> Iterator[None]:
    """Turn what goes wrong with files, certificates and links into one line and exit 1."""
    from edge_agent.drivers import LinkDown  # noqa: PLC0415
    from edge_agent.pki.certificate import Unreadable  # noqa: PLC0415
    from edge_agent.pki.manage import NotDone  # noqa: PLC0415
    from edge_agent.pki.own import ClockNotSet  # noqa: PLC0415

    try:
        yield
    except (Unreadable, ClockNotSet, NotDone, LinkDown) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"{error.filename}: {error.strerror}", err=True)
        sys.exit(1)


def _folder(config: Path, device: str | None) -> "PkiFolder":
    from edge_agent.pki.folder import PkiFolder  # noqa: PLC0415
    from edge_agent.pki.manage import NotDone  # noqa: PLC0415

    server = _load(config).north.opcua_server
    if server is not None and device == _SERVER:
        return PkiFolder(Path(server.pki))
    folders = {server.pki: _SERVER} if server is not None and device is None else {}
    if device is not None or not folders or _has_secured(config):
        folders |= {table.pki: found.name for found, table in _secured(config, device)}
    if len(folders) > 1:
        raise NotDone(f"the devices have several folders; say --device {' or '.join(folders.values())}")
    return PkiFolder(Path(next(iter(folders))))


def _has_secured(config: Path) -> bool:
    return any(isinstance(d.table, OpcUaTable) and d.table.security != "none" for d in _load(config).devices)


def _secured(config: Path, name: str | None) -> list[tuple[Device, OpcUaTable]]:
    """Return the OPC UA devices that have security, or the one of that name."""
    from edge_agent.pki.manage import NotDone  # noqa: PLC0415

    found = [
        (device, device.table)
        for device in _load(config).devices
        if isinstance(device.table, OpcUaTable) and device.table.security != "none"
    ]
    names = [device.name for device, _ in found]
    if not found:
        raise NotDone(f"{config}: no OPC UA device has security, so there are no certificates")
    if name is not None and name not in names:
        raise NotDone(f"there is no OPC UA device {name!r} with security; {nearest(name, names)}")
    return [(device, table) for device, table in found if name in (None, device.name)]


def _load(config: Path) -> Config:
    try:
        return load(config)
    except ConfigError as error:
        for line in error.errors:
            click.echo(line, err=True)
        sys.exit(os.EX_CONFIG)
