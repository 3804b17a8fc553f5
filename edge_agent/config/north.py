"""What ``[mqtt]`` and ``[opcua-server]`` may say: to whom results are told, and how that is secured."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge_agent.config.fields import ConfigError, Delay, Place, Seconds, build, read_toml
from edge_agent.north.opcua.nameplate import Nameplate

_CREDENTIAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_FORBIDDEN = re.compile(r"[/+#\0]")
_PLAIN, _SECURE = 1883, 8883


class MqttTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[mqtt]``: results as Sparkplug B. `port` 0 is the usual one.

    `ca`, `certificate` and `login` name credentials: whose brokers are trusted (else those that the system
    trusts), our certificate with its key, user name and password. With `primary`, a primary host
    application, nothing is told while it is not online. `forward` is how many waiting results a second are
    sent once the broker is back.
    """

    host: str
    group: str
    node: str = ""
    port: int = 0
    tls: bool = True
    ca: str = ""
    certificate: str = ""
    login: str = ""
    primary: str = ""
    keepalive: Seconds = Seconds(30)
    forward: int = 500


class OpcUaServerTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[opcua-server]``: results for whoever reads OPC UA and is trusted.

    `pki` is the folder of certificates; if empty, ``pki`` in the state folder. `operators` are credentials of
    users who may acknowledge alarms. `nameplate` has a `Nameplate` for each machine that is named.
    """

    listen: str
    pki: str = ""
    operators: list[str] = []
    nameplate: dict[str, Any] = {}


class OpcUaServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server listens, its folder of certificates, and credentials of those who may acknowledge.

    `loopback`: only this machine reaches it. `nameplate` is by machine.
    """

    host: str
    port: int
    pki: str
    loopback: bool
    operators: list[str] = []
    nameplate: dict[str, Nameplate] = {}


class FleetTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[fleet]``: orders from the office over the broker of ``[mqtt]``.

    `trust` is the folder of the keys that may give orders; if empty, that of ``[agent]``. A fetch begins
    after a random part of `spread`. `group` is what a rollout names. `configure` is what the office may
    configure: nothing, what is read and judged, or also what is written.
    """

    group: str
    configure: Literal["nothing", "reading", "writing"] = "reading"
    trust: str = ""
    spread: Delay = Delay(30)


class North(msgspec.Struct, frozen=True, kw_only=True):
    """To whom results are told; None where nobody asked for it."""

    mqtt: MqttTable | None = None
    opcua_server: OpcUaServer | None = None
    fleet: FleetTable | None = None


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """What the sections need of ``[agent]``: its name, its state folder, its folder of trusted keys."""

    name: str
    state: Path
    trust: str


SECTIONS = ("mqtt", "opcua-server", "fleet")


def north_of(data: Mapping[str, object], agent: Agent, machines: Iterable[str], root: Place) -> North:
    """Read the sections, keeping every error."""
    mqtt = build(MqttTable, data["mqtt"], root.at("mqtt")) if "mqtt" in data else None
    return North(
        mqtt=mqtt and _mqtt(mqtt, agent.name, machines, root),
        opcua_server=_opcua_server(data, agent.state, root) if "opcua-server" in data else None,
        fleet=_fleet(data, agent, root) if "fleet" in data else None,
    )


def broker_of(file: Path) -> MqttTable:
    """Read ``[mqtt]`` alone, of a file that may have no more than that. Raises `ConfigError`."""
    data = read_toml(file)
    root = Place(file)
    table = build(MqttTable, data.get("mqtt", {}), root.at("mqtt"))
    table = table and _mqtt(table, "office", (), root)
    if root.errors or table is None:
        raise ConfigError(root.errors)
    return table


def warnings(north: North, machines: Iterable[str]) -> list[str]:
    """Return what is allowed and had better not be. An office's configuration may have other machines."""
    plates = set(north.opcua_server.nameplate) if north.opcua_server else set()
    found = [
        f"opcua-server.nameplate.{name}: there is no machine of that name"
        for name in sorted(plates.difference(machines))
    ]
    if north.mqtt and not north.mqtt.tls:
        found.append("mqtt: no TLS: anybody on the way can read and change what is sent")
    if north.opcua_server and not north.opcua_server.loopback:
        found.append(f"opcua-server: port {north.opcua_server.port} of this machine is open to the network")
    if north.fleet and north.fleet.configure == "writing":
        found.append("fleet: a configuration from the office may change what this gateway writes")
    return found


def _mqtt(table: MqttTable, name: str, machines: Iterable[str], root: Place) -> MqttTable:
    place = root.at("mqtt")
    if not table.host:
        place.at("host").wrong("is empty; name the broker's host")
    if not 0 <= table.port <= 0xFFFF:
        place.at("port").wrong(f"{table.port} is no port; write 1 to 65535")
    if not 1 <= table.forward <= 10_000:
        place.at("forward").wrong(
            f"{table.forward} is too few or too many; write 1 to 10000 results a second"
        )
    node = table.node or name
    for key, value in (("group", table.group), ("node", node)):
        _segment(value, place.at(key))
    if table.primary:
        _segment(table.primary, place.at("primary"))
    for machine in machines:
        _segment(machine, root.at("machine").at(machine))
    for key in ("ca", "certificate", "login"):
        credential = getattr(table, key)
        if credential and not _CREDENTIAL.fullmatch(credential):
            place.at(key).wrong(f"{credential!r} is not a credential's name: write letters, digits, - _ .")
        elif credential and not table.tls:
            place.at(key).wrong("needs TLS; take it out, or take out tls = false")
    port = table.port or (_SECURE if table.tls else _PLAIN)
    return msgspec.structs.replace(table, node=node, port=port)


def _opcua_server(data: Mapping[str, object], state: Path, root: Place) -> OpcUaServer | None:
    place = root.at("opcua-server")
    table = build(OpcUaServerTable, data["opcua-server"], place)
    if table is None:
        return None
    for name in table.operators:
        if not _CREDENTIAL.fullmatch(name):
            place.at("operators").wrong(f"{name!r} is not a credential's name: write letters, digits, - _ .")
    plates = _plates(table.nameplate, place.at("nameplate"))
    host, _, port = table.listen.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        address, number = None, 0
    if address is None or not 1 <= number <= 0xFFFF:
        place.at("listen").wrong(f"{table.listen!r} is no address with a port, such as '127.0.0.1:4840'")
        return None
    pki = root.file.parent / table.pki if table.pki else state / "pki"
    return OpcUaServer(
        host=str(address),
        port=number,
        pki=str(pki),
        loopback=address.is_loopback,
        operators=table.operators,
        nameplate=plates,
    )


def _plates(tables: Mapping[str, object], place: Place) -> dict[str, Nameplate]:
    found = {}
    for machine, table in tables.items():
        here = place.at(machine)
        if plate := build(Nameplate, table, here):
            for key in ("manufacturer", "serial", "uri"):
                if not getattr(plate, key):
                    here.at(key).wrong("is empty; write what the machine's nameplate says")
            found[machine] = plate
    return found


def _fleet(data: Mapping[str, object], agent: Agent, root: Place) -> FleetTable | None:
    place = root.at("fleet")
    table = build(FleetTable, data["fleet"], place)
    if "mqtt" not in data:
        place.wrong("orders come over the broker of [mqtt], which is missing")
    if table is None:
        return None
    trust = table.trust or agent.trust
    if not trust:
        place.at("trust").wrong("is missing; name the folder of the keys that may give orders")
    return msgspec.structs.replace(table, trust=str(root.file.parent / trust))


def _segment(value: str, place: Place) -> None:
    """Check one part of a topic (Sparkplug 3.0.0, 4.1)."""
    if not value or _FORBIDDEN.search(value):
        place.wrong(f"{value!r} cannot be part of an MQTT topic: write a name without / + #")
