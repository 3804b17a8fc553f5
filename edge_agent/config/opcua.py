"""What an OPC UA device may say: its address, its security, its login, and where its tags are."""

import math
import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from edge_agent.config.fields import Place
from edge_agent.config.rows import OpcUaRow
from edge_agent.config.tables import DeviceTable, OpcUaTable
from edge_agent.drivers.opcua.address import Monitored, NodeAddress, parse_address
from edge_agent.table import STALE

LONGEST_QUEUE = 1000
"""Values of one node between two publications, at most: what is kept has to be sent."""
SHORTEST_SESSION, LONGEST_SESSION = 3.0, 3600.0
"""Seconds: a session needs a request every third of its timeout, and one that was lost blocks its place."""
_CREDENTIAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def checked(table: OpcUaTable, state: Path, place: Place) -> OpcUaTable:
    """Keep every error of the table; return it with its `pki` folder as a whole path."""
    if not _is_opcua(table.url):
        place.at("url").wrong(f"{table.url!r} is not an OPC UA address: write opc.tcp://host:port")
    if table.login and table.security == "none":
        place.at("login").wrong("would cross the wire in the clear; it needs security")
    if table.login and not _CREDENTIAL.fullmatch(table.login):
        place.at("login").wrong(f"{table.login!r} is not a credential's name: write letters, digits, - _ .")
    if not SHORTEST_SESSION <= table.session_timeout <= LONGEST_SESSION:
        place.at("session_timeout").wrong(
            f"{table.session_timeout:g} s; {SHORTEST_SESSION:g} s to {LONGEST_SESSION:g} s"
        )
    _subscribed(table, place)
    folder = place.home / table.pki if table.pki else state / "pki"
    return msgspec.structs.replace(table, pki=str(folder))


def _subscribed(table: OpcUaTable, place: Place) -> None:
    for key, standard in (("sampling", None), ("publishing", None), ("queue", 1), ("deadband", 0.0)):
        if table.read != "subscribe" and getattr(table, key) != standard:
            place.at(key).wrong('is one of subscriptions; set read = "subscribe"')
    if not 1 <= table.queue <= LONGEST_QUEUE:
        place.at("queue").wrong(f"{table.queue}; 1 to {LONGEST_QUEUE}")
    if not 0 <= table.deadband < math.inf:
        place.at("deadband").wrong(f"{table.deadband:g} must be a number, 0 or more")


def address(row: OpcUaRow, table: OpcUaTable) -> NodeAddress:
    """Return the address of a tag. Raises ValueError."""
    if row.deadband and table.read != "subscribe":
        raise ValueError('a deadband is one of subscriptions; set read = "subscribe" in the device')
    deadband = table.deadband if row.deadband is None else row.deadband
    if not 0 <= deadband < math.inf:
        raise ValueError(f"deadband {deadband:g} must be a number, 0 or more")
    if table.read != "subscribe":
        return parse_address(row.node, row.field)
    scan = row.scan or table.scan
    publishing = table.publishing or scan
    if publishing > STALE * scan / 2:
        raise ValueError(f"a scan every {scan:g} s needs publishing at most every {STALE * scan / 2:g} s")
    sampling = publishing if table.sampling is None else table.sampling
    monitored = Monitored(publishing, deadband / abs(row.scale), sampling, table.queue)
    return parse_address(row.node, row.field, monitored)


def read_back(table: DeviceTable) -> DeviceTable:
    """Return the table for what is written: it is read back by asking. A subscription may tell what was."""
    return msgspec.structs.replace(table, read="cyclic") if isinstance(table, OpcUaTable) else table


def warnings(name: str, table: OpcUaTable) -> list[str]:
    """Return what is allowed and had better not be."""
    said = []
    if table.security == "none":
        said.append(f"device {name}: no security: anybody on the way can read and change what is sent")
    elif not table.verify_host:
        said.append(f"device {name}: the host in the server's certificate is not compared with the url")
    return said


def _is_opcua(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "opc.tcp" and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        return False
