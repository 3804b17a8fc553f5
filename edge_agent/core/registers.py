"""Modbus registers: addresses, the read plan, and one codec for reading and writing.

A byte order is written as the bytes stand on the wire, A being the most significant: ABCD is what the
specification suggests, CDAB has its words swapped, BADC its bytes, DCBA both.

The plan is compiled once. Decoding a scan is then one gather and one view for each type in use, since
a byte order is nothing but an index.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.core.tags import Bytes, Floats

Table = Literal["coil", "discrete", "input", "holding"]
BIT_TABLES = ("coil", "discrete")

TYPES: dict[str, np.dtype[np.generic]] = {
    "int16": np.dtype("<i2"),
    "uint16": np.dtype("<u2"),
    "int32": np.dtype("<i4"),
    "uint32": np.dtype("<u4"),
    "int64": np.dtype("<i8"),
    "uint64": np.dtype("<u8"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
"""Types of one or more whole registers. `bool` is a coil, a discrete input, or one bit of a register."""
_FORMAT = {name: dtype.char for name, dtype in TYPES.items()} | {"int64": "q", "uint64": "Q", "bool": "?"}
"""The same for `struct`."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value lives. `offset` is the zero-based wire address; `bit` 0 is the least significant."""

    table: Table
    offset: int
    type: str
    order: str = ""
    bit: int | None = None

    @property
    def count(self) -> int:
        """How many registers, coils or discrete inputs it takes."""
        return 1 if self.type == "bool" else TYPES[self.type].itemsize // 2

    def problem(self) -> str | None:
        """Say what is wrong with it, or None."""
        if self.type != "bool" and self.type not in TYPES:
            return f"type {self.type!r} is none of bool, {', '.join(TYPES)}"
        if not 0 <= self.offset <= 65536 - self.count:
            return f"address {self.offset} is outside 0..{65536 - self.count}"
        return self._bit_problem() if self.type == "bool" else self._number_problem()

    def _bit_problem(self) -> str | None:
        if (self.bit is None) != (self.table in BIT_TABLES):
            return "a bool in a register needs its bit, a coil or discrete input has none"
        if self.bit is not None and not 0 <= self.bit <= 15:
            return f"bit {self.bit} is not 0..15"
        return f"order {self.order!r} means nothing for one bit" if self.order else None

    def _number_problem(self) -> str | None:
        letters = "ABCDEFGH"[: 2 * self.count]
        if self.table in BIT_TABLES:
            return f"a {self.table} is one bit: its type must be bool, not {self.type}"
        if self.bit is not None:
            return f"a bit belongs to type bool, not {self.type}"
        if self.order and sorted(self.order) != list(letters):
            return f"order {self.order!r} does not hold each of {letters} once, as {self.type} needs"
        return None


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive registers or bits that one request moves; `rows` are the tags it holds."""

    table: Table
    start: int
    count: int
    rows: npt.NDArray[np.intp]

    @property
    def size(self) -> int:
        """Length of the block's data in a PDU, in bytes."""
        return (self.count + 7) // 8 if self.table in BIT_TABLES else 2 * self.count


def plan_blocks(
    addresses: Sequence[Address], max_gap: int, max_registers: int = 125, max_bits: int = 2000
) -> list[Block]:
    """Cover every address with as few blocks as possible.

    Up to `max_gap` registers that nobody asked for are read and thrown away, cheaper than a second
    round trip unless the device refuses to serve them. The largest counts are those of the MODBUS
    Application Protocol V1.1b3, 6.1 to 6.4.
    """
    blocks = []
    for table in dict.fromkeys(address.table for address in addresses):
        most = max_bits if table in BIT_TABLES else max_registers
        rows = sorted(
            (row for row, a in enumerate(addresses) if a.table == table), key=lambda r: addresses[r].offset
        )
        first, end, members = -1, -1, list[int]()
        for row in rows:
            address = addresses[row]
            reach = max(end, address.offset + address.count)
            if members and (address.offset - end > max_gap or reach - first > most):
                blocks.append(Block(table, first, end - first, np.array(members)))
                members = []
            if not members:
                first, reach = address.offset, address.offset + address.count
            members.append(row)
            end = reach
        blocks.append(Block(table, first, end - first, np.array(members)))
    return blocks


class Codec:
    """Moves values between float64[n] and the bytes of the blocks, laid end to end."""

    def __init__(self, addresses: Sequence[Address], blocks: Sequence[Block]) -> None:
        self.rows = len(addresses)
        self.size = sum(block.size for block in blocks)
        places = np.zeros(len(addresses), np.intp)
        starts = np.zeros(len(addresses), np.intp)
        base = 0
        for block in blocks:
            for row in block.rows:
                starts[row] = block.start
                places[row] = base
            base += block.size
        self._numbers = list(_number_groups(addresses, places, starts))
        self._bits = _bit_group(addresses, places, starts)
        self._plan_encode(addresses)

    def _plan_encode(self, addresses: Sequence[Address]) -> None:
        """Values are packed one after the other, little-endian; then their bytes are moved in one go."""
        formats = [_FORMAT[address.type] for address in addresses]
        self._native = struct.Struct("<" + "".join(formats))
        self._kinds = [address.type for address in addresses]
        ends = np.cumsum([struct.calcsize("<" + format_) for format_ in formats])
        sources, targets = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
        for rows, index, dtype in self._numbers:
            sources.append((ends[rows, np.newaxis] + np.arange(-dtype.itemsize, 0)).reshape(-1))
            targets.append(index.reshape(-1))
        self._sources, self._targets = np.concatenate(sources), np.concatenate(targets)

    def decode(self, data: Bytes) -> Floats:
        """Turn uint8[size] into raw values, float64[n]. 64-bit integers are exact up to 2**53."""
        raw = np.empty(self.rows)
        for rows, index, dtype in self._numbers:
            raw[rows] = data[index].view(dtype)[:, 0]
        rows, place, shift = self._bits
        if len(rows):
            raw[rows] = data[place] >> shift & 1
        return raw

    def encode(self, raw: Sequence[float]) -> bytes:
        """Turn raw values into the bytes of the blocks. Raises ValueError for what its type cannot hold."""
        data = np.zeros(self.size, np.uint8)
        exact = [_exact(kind, value) for kind, value in zip(self._kinds, raw, strict=True)]
        try:
            data[self._targets] = np.frombuffer(self._native.pack(*exact), np.uint8)[self._sources]
        except (struct.error, OverflowError) as error:
            raise ValueError(f"{exact} does not fit {self._kinds}: {error}") from None
        rows, place, shift = self._bits
        for row, byte, bit in zip(rows.tolist(), place.tolist(), shift.tolist(), strict=True):
            data[byte] |= int(exact[row]) << bit
        return data.tobytes()


def _exact(kind: str, value: float) -> float:
    if kind.startswith("float"):
        return float(value)
    if not float(value).is_integer() or (kind == "bool" and value not in {0, 1}):
        raise ValueError(f"{value} does not fit {kind}")
    return int(value)


def _number_groups(
    addresses: Sequence[Address], places: npt.NDArray[np.intp], starts: npt.NDArray[np.intp]
) -> Iterable[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], np.dtype[np.generic]]]:
    for kind, dtype in TYPES.items():
        rows = [row for row, a in enumerate(addresses) if a.type == kind]
        if rows:
            index = [
                [
                    places[r] + 2 * (addresses[r].offset - starts[r]) + p
                    for p in _positions(addresses[r], dtype)
                ]
                for r in rows
            ]
            yield np.array(rows), np.array(index), dtype


def _positions(address: Address, dtype: np.dtype[np.generic]) -> list[int]:
    """Where on the wire the bytes of a value stand, least significant first."""
    letters = "ABCDEFGH"[: dtype.itemsize]
    order = address.order or letters
    return [order.index(letter) for letter in reversed(letters)]


def _bit_group(
    addresses: Sequence[Address], places: npt.NDArray[np.intp], starts: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
    rows = [row for row, a in enumerate(addresses) if a.type == "bool"]
    where = []
    for row in rows:
        address, ahead = addresses[row], addresses[row].offset - int(starts[row])
        if address.bit is None:
            where.append((int(places[row]) + ahead // 8, ahead % 8))
        else:
            where.append((int(places[row]) + 2 * ahead + (address.bit < 8), address.bit % 8))
    pairs = np.array(where, np.intp).reshape(-1, 2)
    return np.array(rows, np.intp), pairs[:, 0], pairs[:, 1].astype(np.uint8)
