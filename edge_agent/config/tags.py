"""Tags from a CSV file, or from the configuration itself: the same columns, the same checks."""

import csv
import math
from collections.abc import Iterator

import msgspec

from edge_agent.config.fields import Place, Seconds, build, nearest
from edge_agent.config.schema import DeviceTable, ModbusTable, ScannedTag
from edge_agent.core.registers import Address, Table
from edge_agent.core.tags import Tag
from edge_agent.drivers.opcua.address import parse_address

_MODICON: dict[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_NUMBERS = ("scale", "offset", "low", "high")


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    scan: Seconds | None = None


class _ModbusRow(_Row, frozen=True, kw_only=True):
    address: str
    table: str = ""
    type: str = ""
    order: str = ""


class _OpcUaRow(_Row, frozen=True, kw_only=True):
    node: str


def tags_of(device: str, table: DeviceTable, place: Place) -> list[ScannedTag]:
    """Return the device's tags, keeping every error."""
    kind = _ModbusRow if isinstance(table, ModbusTable) else _OpcUaRow
    if isinstance(table.tags, str):
        rows = _csv_rows(place.beside(table.tags), [f.name for f in msgspec.structs.fields(kind)])
    else:
        rows = ((place.at(f"tags[{i}]"), dict(row)) for i, row in enumerate(table.tags))
    tags: dict[str, ScannedTag] = {}
    for where, data in rows:
        if "address" in data:
            if isinstance(data["address"], float):  # 12.10 would mean bit 1
                where.at("address").wrong(f'write a bit in quotes, such as "12.10", got {data["address"]}')
                continue
            data["address"] = str(data["address"])
        row = build(kind, data, where)
        if row is None:
            continue
        try:
            tag = _tag(device, row, table)
        except ValueError as error:
            where.wrong(f"tag {row.name!r}: {error}")
            continue
        if tag.name in tags:
            where.wrong(f"tag {row.name!r} is already there")
        tags[tag.name] = ScannedTag(tag=tag, scan=row.scan or table.scan)
    return list(tags.values())


def _csv_rows(place: Place, columns: list[str]) -> Iterator[tuple[Place, dict[str, object]]]:
    try:
        with place.file.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header = reader.fieldnames or []
            unknown = [name for name in header if name not in columns]
            for name in unknown:
                place.at(f"column {name!r}").wrong(f"unknown; {nearest(name, columns)}")
            for row in () if unknown else reader:
                where = place.at(f"line {reader.line_num}")
                if None in row or None in row.values():
                    where.wrong(f"has not the {len(header)} fields that the header names")
                    continue
                yield where, {k: _number(k, v.strip()) for k, v in row.items() if v.strip()}
    except OSError as error:
        place.wrong(f"{error.strerror}; it should hold the tags")
    except (UnicodeDecodeError, csv.Error) as error:
        place.wrong(f"not a CSV file in UTF-8: {error}")


def _number(column: str, text: str) -> object:
    if column not in _NUMBERS:
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _tag(device: str, row: _Row, table: DeviceTable) -> Tag:
    if not row.low < row.high:
        raise ValueError(f"low {row.low:g} must be below high {row.high:g}")
    if row.scale == 0 or not math.isfinite(row.scale) or not math.isfinite(row.offset):
        raise ValueError("scale must be a number other than 0, offset a number")
    return Tag(
        name=f"{device}.{row.name}",
        address=_address(row, table),
        scale=row.scale,
        offset=row.offset,
        unit=row.unit,
        low=row.low,
        high=row.high,
    )


def _address(row: _Row, table: DeviceTable) -> object:
    if isinstance(row, _OpcUaRow):
        return parse_address(row.node)
    assert isinstance(row, _ModbusRow)
    assert isinstance(table, ModbusTable)
    text, _, bit = row.address.partition(".")
    if not text.isdecimal() or (bit and not bit.isdecimal()):
        raise ValueError(f"address {row.address!r} is not a number such as 12, or 12.3 for bit 3")
    name, offset = (_table(row.table), int(text)) if table.notation == "wire" else from_modicon(text)
    if row.table not in ("", name):
        raise ValueError(f"address {text} is in table {name!r}, not {row.table!r}")
    kind = row.type or ("bool" if name in ("coil", "discrete") else "uint16")
    address = Address(
        table=name, offset=offset, type=kind, order=row.order.upper(), bit=int(bit) if bit else None
    )
    problem = address.problem()
    if problem:
        raise ValueError(problem)
    return address


def _table(name: str) -> Table:
    for table in _MODICON.values():
        if name == table:
            return table
    raise ValueError(f"table {name!r} is unknown; {nearest(name, _MODICON.values())}")


def from_modicon(text: str) -> tuple[Table, int]:
    """Turn ``40401`` or ``400401`` into table and zero-based wire address. Raises ValueError."""
    if len(text) not in (5, 6) or text[0] not in _MODICON or int(text[1:]) == 0:
        raise ValueError(f"address {text!r} is not in Modicon notation, such as 40001 or 400001")
    return _MODICON[text[0]], int(text[1:]) - 1


def to_modicon(table: str, offset: int) -> str:
    """Turn table and zero-based wire address into Modicon notation, six digits where five do not do."""
    digit = next(d for d, name in _MODICON.items() if name == table)
    return f"{digit}{offset + 1:0{4 if offset < 9999 else 5}d}"
