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

from edge_agent.core.kinds import KINDS
from edge_agent.core.tags import Bytes, Floats

Table = Literal["coil", "discrete", "input", "holding"]
BIT_TABLES = ("coil", "discrete")
LONGEST_STRING = 250
"""Bytes: what one request can read."""
_LETTERS = "ABCDEFGH"

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


ENCODINGS = ("ascii", "latin-1", "utf-8", "utf-16-be")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value lives, and as what. `offset` is the zero-based wire address.

    `bit` 0 is the least significant; an integer type with a `bit` is the bit field of `width` bits from
    there. A ``string`` has `length` bytes in an `encoding`. The value is `factor`'s power of ten as large
    if there is one (SunSpec's scale factor). Bit patterns in `nan` are the device's marks for no value.
    """

    table: Table
    offset: int
    type: str
    order: str = ""
    bit: int | None = None
    width: int = 1
    length: int = 0
    encoding: str = "ascii"
    factor: "Address | None" = None
    nan: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Its bytes on the wire; a coil, a discrete input or one bit of a register counts as a register."""
        if self.type == "bool":
            return 2
        return self.length if self.type == "string" else KINDS[self.type].size

    @property
    def count(self) -> int:
        """How many registers, coils or discrete inputs it takes."""
        return (self.size + 1) // 2

    @property
    def letters(self) -> str:
        """What `order` is made of, most significant byte first; one byte is the (H)igh or the (L)ow."""
        return {"bool": "", "string": "AB", "int8": "HL", "uint8": "HL"}.get(self.type, _LETTERS[: self.size])

    @property
    def is_partial(self) -> bool:
        """Whether it shares its registers with something else, which writing it would clear."""
        return self.bit is not None or self.type in ("int8", "uint8")

    def problem(self) -> str | None:
        """Say what is wrong with it, or None."""
        if self.type not in ("bool", "string", *KINDS):
            return f"type {self.type!r} is none of bool, string[n], {', '.join(KINDS)}"
        if not 0 <= self.offset <= 65536 - self.count:
            return f"address {self.offset} is outside 0..{65536 - self.count}"
        if self.table in BIT_TABLES and self.type != "bool":
            return f"a {self.table} is one bit: its type must be bool, not {self.type}"
        return (
            self._bool_problem()
            or self._field_problem()
            or self._order_problem()
            or self._string_problem()
            or self._nan_problem()
        )

    def _bool_problem(self) -> str | None:
        if self.type != "bool":
            return None
        if (self.bit is None) != (self.table in BIT_TABLES):
            return "a bool in a register needs its bit, a coil or discrete input has none"
        if self.bit is not None and not 0 <= self.bit <= 15:
            return f"bit {self.bit} is not 0..15"
        return "a bool is one bit, not several" if self.width != 1 else None

    def _field_problem(self) -> str | None:
        if self.type == "bool" or self.bit is None:
            return None
        if self.type not in ("uint16", "uint32", "uint64") or self.width < 2:
            return f"a bit belongs to type bool, several to uint16, uint32 or uint64, not {self.type}"
        last = self.bit + self.width - 1
        if not 0 <= self.bit <= last < 8 * self.size:
            return f"bits {self.bit}-{last} are not within 0-{8 * self.size - 1}"
        return None

    def _order_problem(self) -> str | None:
        if not self.order:
            return None
        if self.type == "bool":
            return f"order {self.order!r} means nothing for one bit"
        if self.letters == "HL":
            known = self.order in ("H", "L")
            return None if known else f"order {self.order!r} is neither H nor L, the high byte or the low"
        if sorted(self.order) != list(self.letters):
            return f"order {self.order!r} does not hold each of {self.letters} once, as {self.type} needs"
        return None

    def _string_problem(self) -> str | None:
        if self.type != "string":
            return None
        if not 1 <= self.length <= LONGEST_STRING:
            return f"a string is written string[n], n bytes from 1 to {LONGEST_STRING}"
        if self.encoding not in ENCODINGS:
            return f"encoding {self.encoding!r} is none of {', '.join(ENCODINGS)}"
        if self.encoding == "utf-16-be" and self.length % 2:
            return f"a string of {self.length} bytes cannot be utf-16-be, which has two a character"
        return None

    def _nan_problem(self) -> str | None:
        if self.nan and self.type in ("bool", "string"):
            return f"nan means nothing for type {self.type}"
        bits = self.width if self.bit is not None else 8 * self.size
        wide = [pattern for pattern in self.nan if not 0 <= pattern < 1 << bits]
        return f"nan {wide[0]:#x} has more than the {bits} bits of the value" if wide else None


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
