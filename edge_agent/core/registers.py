"""Where a value lives in a Modbus device, and as what."""

from typing import Literal

import msgspec

from edge_agent.core.kinds import KINDS

Table = Literal["coil", "discrete", "input", "holding"]
BIT_TABLES = ("coil", "discrete")
LONGEST_STRING = 250
"""Bytes: what one request can read."""
_LETTERS = "ABCDEFGH"

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
        """Whether its registers hold something else as well."""
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
