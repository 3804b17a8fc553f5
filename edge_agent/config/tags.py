"""Tags from a CSV file, or from the configuration itself: the same columns, the same checks."""

import math
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec

from edge_agent.config import csvtable, opcua
from edge_agent.config.fields import Place, build, nearest
from edge_agent.config.forbidden import ranges
from edge_agent.config.modbus_tags import addresses_of, plain
from edge_agent.config.rows import DECIMALS, NUMBERS, ModbusRow, OpcUaRow, Row
from edge_agent.config.schema import ScannedTag
from edge_agent.config.tables import DeviceTable, ModbusTable, OpcUaTable
from edge_agent.core.kinds import TIMES
from edge_agent.core.readplan import Range
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag

PROFILE = "profile:"


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """A tag before it is known what its scale factor is."""

    tag: Tag
    row: Row
    place: Place


def tags_of(device: str, table: DeviceTable, place: Place) -> list[ScannedTag]:
    """Return the device's tags, keeping every error."""
    kind = ModbusRow if isinstance(table, ModbusTable) else OpcUaRow
    barred = ranges(table.forbidden, place.at("forbidden")) if isinstance(table, ModbusTable) else []
    found: dict[str, _Found] = {}
    for where, data in _rows(table.tags, kind, place):
        try:
            row = build(kind, plain(data) if kind is ModbusRow else data, where)
        except ValueError as error:
            where.at("address").wrong(str(error))
            continue
        if row is None:
            continue
        try:
            tags = _tags(device, row, table, barred)
        except ValueError as error:
            where.wrong(f"tag {row.name!r}: {error}")
            continue
        for tag in tags:
            if tag.name in found:
                where.wrong(f"tag {tag.name.removeprefix(device + '.')!r} is already there")
            found[tag.name] = _Found(tag=tag, row=row, place=where)
    return [
        ScannedTag(tag=_with_factor(device, entry, found), scan=entry.row.scan or table.scan)
        for entry in found.values()
    ]


def _rows(
    tags: str | list[dict[str, object]], kind: type[Row], place: Place
) -> Iterator[tuple[Place, dict[str, object]]]:
    if not isinstance(tags, str):
        return ((place.at(f"tags[{i}]"), dict(row)) for i, row in enumerate(tags))
    columns = [field.name for field in msgspec.structs.fields(kind)]
    if not tags.startswith(PROFILE):
        return csvtable.rows(place.beside(tags), columns, NUMBERS, DECIMALS)
    known = profiles()
    name = tags.removeprefix(PROFILE)
    if name not in known:
        place.at("tags").wrong(f"there is no profile {name!r}; {nearest(name, known)}")
        return iter(())
    return csvtable.rows(Place(known[name], "", place.errors), columns, NUMBERS, DECIMALS)


def profiles() -> dict[str, Path]:
    """Return the tag tables of known devices, by name."""
    folder = Path(str(resources.files("edge_agent") / "profiles"))
    return {file.stem: file for file in sorted(folder.glob("*.csv"))}


def _tags(device: str, row: Row, table: DeviceTable, barred: list[Range]) -> list[Tag]:
    if not row.low < row.high:
        raise ValueError(f"low {row.low:g} must be below high {row.high:g}")
    if row.scale == 0 or not math.isfinite(row.scale) or not math.isfinite(row.offset):
        raise ValueError("scale must be a number other than 0, offset a number")
    if isinstance(row, OpcUaRow):
        assert isinstance(table, OpcUaTable)
        return [_tag(f"{device}.{row.name}", opcua.address(row, table), row)]
    assert isinstance(row, ModbusRow)
    assert isinstance(table, ModbusTable)
    notation = "wire" if isinstance(table.tags, str) and table.tags.startswith(PROFILE) else table.notation
    addresses = addresses_of(row, notation, table.base)
    if addresses[0].type in ("string", *TIMES) and (row.scale != 1 or row.offset or row.factor):
        raise ValueError(f"a {addresses[0].type} has no scale, offset or factor")
    for address in addresses:
        for r in barred:
            if r.touches(address.table, address.offset, address.offset + address.count):
                raise ValueError(f"address {address.offset} is in forbidden {r.table} {r.first}-{r.last}")
        if address.count > table.max_registers:
            raise ValueError(
                f"it has {address.count} registers, more than max_registers {table.max_registers}"
            )
    if len(addresses) == 1 and not row.type.endswith("[1]"):
        return [_tag(f"{device}.{row.name}", addresses[0], row)]
    return [_tag(f"{device}.{row.name}[{i}]", address, row) for i, address in enumerate(addresses)]


def _tag(name: str, address: object, row: Row) -> Tag:
    return Tag(
        name=name,
        address=address,
        scale=row.scale,
        offset=row.offset,
        unit=str(row.unit),
        low=row.low,
        high=row.high,
        labels=_labels(row.values),
    )


def _labels(text: str) -> tuple[tuple[int, str], ...]:
    labels = [part.partition("=") for part in text.split("|") if part.strip()]
    try:
        return tuple((int(value, 0), label.strip()) for value, _, label in labels)
    except ValueError:
        raise ValueError(f"values {text!r} are not written 0=off|1=on") from None


def _with_factor(device: str, entry: _Found, found: dict[str, _Found]) -> Tag:
    tag, row = entry.tag, entry.row
    if not isinstance(row, ModbusRow) or not row.factor:
        return tag
    factor = found.get(f"{device}.{row.factor}")
    if factor is None:
        hint = nearest(row.factor, [name.removeprefix(f"{device}.") for name in found])
        entry.place.wrong(f"tag {row.name!r}: there is no tag {row.factor!r} for its factor; {hint}")
        return tag
    assert isinstance(tag.address, Address)
    assert isinstance(factor.tag.address, Address)
    if not factor.tag.address.type.startswith(("int", "uint")):
        entry.place.wrong(f"tag {row.name!r}: its factor {row.factor!r} is no integer")
        return tag
    return msgspec.structs.replace(
        tag, address=msgspec.structs.replace(tag.address, factor=factor.tag.address)
    )
