"""One row of a Modbus tag table to the addresses it stands for."""

import re
from typing import Any

import msgspec

from edge_agent.config.fields import nearest
from edge_agent.config.modicon import TABLES, from_modicon
from edge_agent.config.rows import ModbusRow
from edge_agent.core.kinds import KINDS
from edge_agent.core.registers import BIT_TABLES, Address, Table

_WHERE = re.compile(r"(\d+)(?:\.(\d+)(?:-(\d+))?)?")
_TYPE = re.compile(r"(\w+)\[(\d+)\]")
LONGEST_ARRAY = 2000


def addresses_of(row: ModbusRow, notation: str, base: int) -> list[Address]:
    """Return the row's address, one for each element of an array. `base` is added to the wire address.

    Raises ValueError.
    """
    table, offset, bit, width = _where(row, notation)
    kind, count, length = _kind(row, table, bit, width)
    first = Address(
        table=table,
        offset=offset + base,
        type=kind,
        order=row.order.upper(),
        bit=bit,
        width=width,
        length=length,
        encoding=row.encoding,
        nan=tuple(_pattern(number, kind) for number in _numbers(row.nan)),
    )
    addresses = [_element(first, i) for i in range(count)]
    problem = next(filter(None, (address.problem() for address in addresses)), None)
    if problem:
        raise ValueError(problem)
    return addresses


def _where(row: ModbusRow, notation: str) -> tuple[Table, int, int | None, int]:
    """Return table, wire address, and the lowest bit and the number of bits if it is in a register."""
    match = _WHERE.fullmatch(row.address)
    if not match:
        raise ValueError(
            f"address {row.address!r} is not one such as 12, or 12.3 for bit 3, or 12.4-7 for bits 4 to 7"
        )
    text, low, high = match.groups()
    table, offset = (_table(row.table), int(text)) if notation == "wire" else from_modicon(text)
    if row.table not in ("", table):
        raise ValueError(f"address {text} is in table {table!r}, not {row.table!r}")
    if low is None:
        return table, offset, None, 1
    if high is not None and int(high) <= int(low):
        raise ValueError(f"bits {low}-{high}: the lower one comes first")
    return table, offset, int(low), int(high or low) - int(low) + 1


def _kind(row: ModbusRow, table: Table, bit: int | None, width: int) -> tuple[str, int, int]:
    """Return type, number of elements, and a string's length."""
    default = "bool" if table in BIT_TABLES or (bit is not None and width == 1) else "uint16"
    match = _TYPE.fullmatch(row.type)
    if not match:
        return row.type or default, 1, 0
    kind, number = match[1], int(match[2])
    if kind == "string":
        return kind, 1, number
    if not 1 <= number <= LONGEST_ARRAY:
        raise ValueError(f"an array has 1 to {LONGEST_ARRAY} elements, not {number}")
    return kind, number, 0


def _element(first: Address, i: int) -> Address:
    if i == 0:
        return first
    if first.type == "bool" and first.bit is not None:
        registers, bit = divmod(first.bit + i, 16)
        return msgspec.structs.replace(first, offset=first.offset + registers, bit=bit)
    return msgspec.structs.replace(first, offset=first.offset + i * first.count)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part, 0) for part in text.split("|") if part.strip()]
    except ValueError:
        raise ValueError(
            f"nan {text!r} is not a register pattern such as 0x8000 or -32768, or several with |"
        ) from None


def _pattern(number: int, kind: str) -> int:
    """Return the bits of a mark: a negative one is the number that a signed type has there."""
    if number >= 0 or kind not in KINDS:
        return number
    if not kind.startswith("int"):
        raise ValueError(f"nan {number}: {kind} has no negative integers; write the pattern, such as 0x8000")
    bits = 8 * KINDS[kind].size
    if number < -(1 << bits - 1):
        raise ValueError(f"nan {number} is below {-(1 << bits - 1)}, the least {kind}")
    return number + (1 << bits)


def _table(name: str) -> Table:
    for table in TABLES.values():
        if name == table:
            return table
    raise ValueError(f"table {name!r} is unknown; {nearest(name, TABLES.values())}")


def plain(data: dict[str, object]) -> dict[str, Any]:
    """Return a row of the configuration with its numbers as the texts that a file would hold.

    Raises ValueError.
    """
    # As a number 12.10 would mean bit 1.
    if type(data.get("address")) is float:
        raise ValueError(f'write a bit in quotes, such as "12.10", got {data["address"]}')
    return data | {key: str(data[key]) for key in ("address", "nan") if key in data}
