"""Modbus devices and their links: a link that several share has its own table, or a device brings its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.config.fields import Place, build, nearest
from edge_agent.config.links import (
    NUMBERED,
    TRANSPORTS,
    Link,
    LinkTable,
    SerialTable,
    TlsTable,
    UdpTable,
)
from edge_agent.config.schema import Device
from edge_agent.config.tables import ModbusTable

SHARED = "modbus"
"""The driver of a device that names a link. Those with a link of their own say its transport as well."""
MOST_LISTED = 4
"""Devices that one sentence names."""
DRIVERS = (SHARED, *(f"{SHARED}-{transport}" for transport in TRANSPORTS), "pymodbus")


def links(section: Mapping[str, object], place: Place) -> dict[str, Link | None]:
    """Return the links by name, None for one that cannot be used."""
    found: dict[str, Link | None] = {}
    for name, data in section.items():
        where = place.at(name)
        transport = data.get("transport") if isinstance(data, Mapping) else None
        kind = TRANSPORTS.get(str(transport))
        if kind is None:
            where.at("transport").wrong(f"{transport!r} is unknown; {nearest(str(transport), TRANSPORTS)}")
            found[name] = None
            continue
        table = build(kind, data, where)
        found[name] = None if table is None else Link(name=name, table=_checked(table, where))
    return found


def device(data: Mapping[str, Any], shared: Mapping[str, Link | None], place: Place) -> ModbusTable | None:
    """Return a device's table with its link, keeping every error; None if it has none that can be used."""
    keys = _link_keys(data["driver"])
    rest = {key: value for key, value in data.items() if key not in (*keys, "link")}
    table = build(ModbusTable, rest, place, also=keys)
    if data["driver"] == SHARED:
        link = _named(data.get("link"), shared, place.at("link"))
    else:
        link = _own(data, {key: data[key] for key in keys if key in data}, place)
    if table is None or link is None:
        return None
    if data["driver"] != SHARED:
        link = msgspec.structs.replace(link, table=msgspec.structs.replace(link.table, timeout=table.timeout))
    table = msgspec.structs.replace(table, link=link)
    _limits(table, place)
    return table


def ports_taken_twice(devices: Iterable[Device], place: Place) -> None:
    """Keep an error for every serial port that more than one link wants: a port is locked."""
    tables = [device.table for device in devices if isinstance(device.table, ModbusTable)]
    first: dict[str, str] = {}
    for name, line in {table.link.name: table.link.table for table in tables}.items():
        if isinstance(line, SerialTable) and first.setdefault(line.serial, name) != name:
            place.wrong(
                f"{first[line.serial]} and {name} both open {line.serial}; make it one [link.NAME] for both"
            )


def warnings(devices: Iterable[Device]) -> list[str]:
    """Return a sentence for every host and port to which more than one connection is opened."""
    there: dict[str, dict[Link, str]] = defaultdict(dict)
    for device in devices:
        if isinstance(device.table, ModbusTable) and isinstance(device.table.link.table, UdpTable):
            there[device.table.link.table.where].setdefault(device.table.link, device.name)
    shared = f'one [link.NAME] is shared by devices with driver = "{SHARED}" and link = "NAME"'
    return [
        f"{where} gets {len(names)} connections, of devices {_listed([*names.values()])}: many gateways "
        f"take few; {shared}"
        for where, names in there.items()
        if len(names) > 1
    ]


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _named(name: object, shared: Mapping[str, Link | None], place: Place) -> Link | None:
    if name is None:
        place.wrong('is missing; name a [link.NAME], or say driver = "modbus-tcp" and host')
    elif name not in shared:
        place.wrong(f"there is no [link.{name}]; {nearest(str(name), shared)}")
    else:
        return shared[str(name)]
    return None


def _own(data: Mapping[str, Any], own: dict[str, Any], place: Place) -> Link | None:
    if "link" in data:
        place.at("link").wrong(f'belongs to driver = "{SHARED}"; {data["driver"]} has a link of its own')
    transport = _transport(data["driver"])
    table = build(TRANSPORTS[transport], own | {"transport": transport}, place)
    return None if table is None else Link(name=place.key, table=_checked(table, place))


def _transport(driver: str) -> str:
    return "tcp" if driver == "pymodbus" else driver.removeprefix(f"{SHARED}-")


def _link_keys(driver: str) -> list[str]:
    """Return what a device of this driver may say of its link alone."""
    if driver == SHARED:
        return []
    if driver == "pymodbus":
        return ["host", "port"]
    fields = msgspec.structs.fields(TRANSPORTS[_transport(driver)])
    return [field.name for field in fields if field.name not in ("transport", "timeout")]


def _checked(table: LinkTable, place: Place) -> LinkTable:
    """Keep every error; return the table with whole paths."""
    if isinstance(table, UdpTable):
        _within(table, "port", 1, 65535, place)
        _within(table, "pipelining", 1, 64, place)
        if table.pipelining > 1 and table.transport not in NUMBERED:
            place.at("pipelining").wrong(
                f"{table.transport} has no transaction numbers to tell answers apart"
            )
        if table.baud is None and (table.parity != "even" or table.stop_bits):
            place.at("baud").wrong("is missing: parity and stop_bits are those of a serial line behind it")
    if isinstance(table, UdpTable | SerialTable):
        _within(table, "baud", 300, 4_000_000, place)
        _within(table, "stop_bits", 1, 2, place)
    if isinstance(table, SerialTable):
        _within(table, "data_bits", 7 if table.transport == "ascii" else 8, 8, place)
    if isinstance(table, TlsTable):
        beside = {key: str(place.home / getattr(table, key)) for key in ("ca", "certificate", "key")}
        for key, path in beside.items():
            if not Path(path).is_file():
                place.at(key).wrong(f"{path}: there is no such file")
        table = msgspec.structs.replace(table, **beside)
    return table


def _limits(table: ModbusTable, place: Place) -> None:
    transport = table.link.table.transport
    if transport in NUMBERED:
        _within(table, "unit", 0, 255, place)
    elif not 1 <= table.unit <= 247:
        place.at("unit").wrong(
            f"{table.unit} is not 1..247, as {transport} needs: 0 speaks to all, and none answers; "
            "248 to 255 are reserved"
        )
    _within(table, "max_gap", 0, 124, place)
    _within(table, "max_registers", 4, 125, place)
    _within(table, "max_bits", 1, 2000, place)
    _within(table, "base", 0, 65535, place)
    for code in table.address_exceptions:
        if not 1 <= code <= 127:
            place.at("address_exceptions").wrong(f"{code} is not an exception code, 1..127")


def _within(table: msgspec.Struct, key: str, low: int, high: int, place: Place) -> None:
    """Keep an error for a number that is given and outside."""
    number = getattr(table, key)
    if number is not None and not low <= number <= high:
        place.at(key).wrong(f"{number} is not {low}..{high}")
