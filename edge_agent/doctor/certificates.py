"""When OPC UA certificates end: ours, those of the devices, and what else is trusted with them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from edge_agent.config import Config
from edge_agent.config.tables import OpcUaTable
from edge_agent.doctor.finding import Finding, bad, warn, well
from edge_agent.pki.certificate import is_for_host
from edge_agent.pki.ending import Ending, endings
from edge_agent.pki.folder import PkiFolder

ITEM = "certificate"


def look(config: Config) -> list[Finding]:
    """Judge every certificate and revocation list of the folders that the configuration names."""
    now = datetime.now(UTC)
    return [finding for folder, hosts in _folders(config).items() for finding in _folder(folder, hosts, now)]


def judge(ending: Ending, device: str, now: datetime) -> Finding:
    """Judge when something ends. `device` is whose certificate it is, empty if that is not known."""
    says = f"device {device}: {ending.text(now)}" if device else ending.text(now)
    if ending.until <= now and ending.kind != "revocation list":
        return bad(ITEM, says, ending.todo)
    return warn(ITEM, says, ending.todo) if ending.is_due(now) else well(ITEM, says)


def _folders(config: Config) -> dict[str, dict[str, str]]:
    """Return the folders of certificates, each with the devices that use it and their hosts."""
    found: dict[str, dict[str, str]] = {}
    for device in config.devices:
        if isinstance(device.table, OpcUaTable) and device.table.security != "none":
            found.setdefault(device.table.pki, {})[device.name] = urlsplit(device.table.url).hostname or ""
    if config.north.opcua_server is not None:
        found.setdefault(config.north.opcua_server.pki, {})
    return found


def _folder(folder: str, hosts: dict[str, str], now: datetime) -> Iterator[Finding]:
    try:
        ends = endings(PkiFolder(Path(folder)), now)
    except OSError as error:
        yield bad(ITEM, f"{error.filename}: {error.strerror}", "let the user of the agent read it")
        return
    for ending in ends:
        devices = [name for name, host in hosts.items() if _is_of(ending, host)]
        yield judge(ending, ", ".join(devices), now)


def _is_of(ending: Ending, host: str) -> bool:
    return (
        ending.kind == "trusted" and ending.certificate is not None and is_for_host(ending.certificate, host)
    )
