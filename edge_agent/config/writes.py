"""What a machine may write in mode active, and what has to hold before."""

import math
from collections.abc import Container, Mapping
from typing import cast

import msgspec

from edge_agent.config.alarms import tag_there
from edge_agent.config.fields import Place, nearest
from edge_agent.config.opcua import read_back
from edge_agent.config.schema import Device, Follow, Permits, ScannedTag
from edge_agent.config.tables import MachineTable, OutputTable
from edge_agent.config.tags import tags_of
from edge_agent.core.permit import Conditions
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag
from edge_agent.core.writeback import Rule

INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32")
_WRITABLE = ("coil", "holding")


def permits_of(
    machine: MachineTable, tags: Mapping[str, ScannedTag], broken: Container[str], place: Place
) -> Permits | None:
    """Return ``[machine.NAME.permit]``, which mode active cannot be without."""
    table = machine.permit
    if table is None:
        if machine.mode == "active":
            place.wrong("mode active writes only while the PLC permits it: name permissive and heartbeat")
        return None
    for key in ("permissive", "heartbeat", "identity"):
        tag_there(getattr(table, key), tags, broken, place.at(key))
    if (table.identity == "") != (table.value is None):
        place.at("identity").wrong("identity and value belong together: the tag, and what it must show")
    if not 1 <= table.cycles <= 1_000_000:
        place.at("cycles").wrong(f"{table.cycles}; 1 to 1000000 good results in a row")
    conditions = Conditions(heartbeat=table.timeout, identity=table.value, cycles=table.cycles)
    return Permits(
        permissive=table.permissive,
        heartbeat=table.heartbeat,
        identity=table.identity,
        conditions=conditions,
    )


def outputs_of(
    machine: MachineTable, devices: Mapping[str, Device], broken: Container[str], place: Place
) -> tuple[Follow, ...]:
    """Return the declared outputs, keeping every error."""
    if machine.mode == "active" and not machine.outputs:
        place.wrong("mode active writes declared outputs: declare one, or use mode advisory")
    found = []
    # One that cannot be made has been told of; the others keep their numbers.
    for i, table in enumerate(cast("list[OutputTable | None]", machine.outputs)):
        if table is None:
            continue
        where = Place(place.file, f"{place.key}[{i}]", place.errors)
        device = devices.get(table.device)
        if device is None and table.device not in broken:
            where.at("device").wrong(f"there is no device {table.device!r}; {nearest(table.device, devices)}")
        if device is not None and (follow := _follow(table, device, where)):
            found.append(follow)
    return tuple(found)


def _follow(table: OutputTable, device: Device, place: Place) -> Follow | None:
    bare = msgspec.structs.replace(read_back(device.table), tags=[table.tag])
    tags = tags_of(device.name, bare, place)
    if len(tags) != 1:
        if tags:
            place.at("tag").wrong("an output is one value, not an array")
        return None
    tag = tags[0].tag
    address = tag.address
    if isinstance(address, Address) and address.table not in _WRITABLE:
        place.at("tag.table").wrong(f"no client can write to table {address.table!r}; use holding or coil")
    if not (math.isfinite(tag.low) and math.isfinite(tag.high)):
        place.at("tag").wrong("low and high are needed: nothing is ever written outside of them")
        return None
    _within(table, tag, place)
    return Follow(
        device=device.name,
        tag=tag,
        rule=Rule(
            low=tag.low,
            high=tag.high,
            step=table.step,
            deadband=table.deadband,
            interval=table.interval,
            per_hour=table.per_hour,
            fallback=table.fallback,
        ),
        follows=table.follows,
        raised=table.raised,
        normal=table.normal,
        whole=isinstance(address, Address) and address.type in INTEGERS,
    )


def _within(table: OutputTable, tag: Tag, place: Place) -> None:
    named = {"fallback": table.fallback}
    if table.follows in ("alarm", "warning"):
        named |= {"raised": table.raised, "normal": table.normal}
    for key, value in named.items():
        if value is not None and not tag.low <= value <= tag.high:
            place.at(key).wrong(f"{value:g} is outside {tag.low:g}..{tag.high:g}")
    if not table.step > 0:
        place.at("step").wrong(f"{table.step:g}: must be more than 0, or left out")
    if not table.deadband >= 0:
        place.at("deadband").wrong(f"{table.deadband:g}: must not be negative")
    if not 1 <= table.per_hour <= 100_000:
        place.at("per_hour").wrong(f"{table.per_hour}; 1 to 100000 writes")
