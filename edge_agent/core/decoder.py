"""From the bytes of registers to numbers, compiled once for a fixed list of values.

Decoding is one gather and one view for each type in use, since a byte order is nothing but an index. So it
costs nearly the same for the values of one device as for those of fifty, see `joint`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.core.kinds import KINDS, TIMES, Carriers, Kind, time_text
from edge_agent.core.layout import Layout
from edge_agent.core.registers import BIT_TABLES, Address
from edge_agent.core.tags import Bytes, Floats, Reason

Rows = npt.NDArray[np.intp]
LARGEST_FACTOR = 10
"""The power of ten that a scale factor may be at most, up or down (SunSpec Information Model, sunssf)."""


Exact = int | str | Decimal
"""An integer or a text, or an integer that a factor has made a decimal number."""


class Decoded(NamedTuple):
    """Raw values float64[n], reasons uint8[n], and what a float64 cannot say by row."""

    raw: Floats
    reason: Bytes
    exact: dict[int, Exact]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one type.

    `index` says where the bytes of each carrier stand, the least significant first; `fields` are shifts and
    masks of bit fields; `marks` are which of the rows are no value when their carrier is which pattern.
    """

    name: str
    kind: Kind
    rows: Rows
    index: Rows
    fields: tuple[Carriers, Carriers] | None
    marks: tuple[Rows, Carriers]

    @property
    def alike(self) -> tuple[str, str, int, bool]:
        """What groups that can be joined have in common."""
        return self.name, self.kind.carrier.str, self.index.shape[1], self.fields is not None


@dataclass(frozen=True, slots=True)
class Decoder:
    """Decodes `rows` values and the `factors` that scale some of them, which stand behind them.

    `scaled` are the rows that have a factor, `factor_of` where it stands; `strings` are rows, where their
    bytes stand, and the encoding.
    """

    rows: int
    factors: int
    groups: tuple[Group, ...]
    strings: tuple[tuple[int, Rows, str], ...]
    scaled: Rows
    factor_of: Rows

    @classmethod
    def of(cls, addresses: Sequence[Address], layout: Layout) -> "Decoder":
        """Compile."""
        factors = list(dict.fromkeys(a.factor for a in addresses if a.factor is not None))
        at = {factor: len(addresses) + i for i, factor in enumerate(factors)}
        all_ = [*addresses, *factors]
        return cls(
            len(addresses),
            len(factors),
            tuple(_grouped(all_, layout)),
            tuple((row, layout.index(a), a.encoding) for row, a in enumerate(all_) if a.type == "string"),
            np.array([row for row, a in enumerate(addresses) if a.factor is not None], np.intp),
            np.array([at[a.factor] for a in addresses if a.factor is not None], np.intp),
        )

    def decode(self, buffer: Bytes, reason: Bytes) -> Decoded:
        """Decode a buffer, uint8[layout.size + 1].

        A row whose `reason` is not NONE has no bytes and keeps its reason.
        """
        raw = np.empty(self.rows + self.factors)
        found = np.zeros(self.rows + self.factors, np.uint8)
        exact: dict[int, Exact] = {}
        # A signalling NaN and a factor too far are values like others until they are graded.
        with np.errstate(over="ignore", invalid="ignore"):
            for group in self.groups:
                _decode(group, buffer, raw, found, exact)
            if len(self.scaled):
                self._scale(raw, found, exact)
        for row, index, encoding in self.strings:
            text = _text(buffer[index].tobytes(), encoding)
            raw[row] = len(text or "")
            if text is None:
                found[row] = Reason.UNDECODABLE
            else:
                exact[row] = text
        found = found[: self.rows]
        return Decoded(raw[: self.rows], np.where(reason, reason, found) if found.any() else reason, exact)

    def _scale(self, raw: Floats, found: Bytes, exact: dict[int, Exact]) -> None:
        rows, power = self.scaled, raw[self.factor_of]
        of_factor = found[self.factor_of]
        is_value = (of_factor == Reason.NONE) | (of_factor == Reason.ROUNDED)
        wild = (np.abs(power) > LARGEST_FACTOR) & is_value
        of_factor = np.where(wild, np.uint8(Reason.UNDECODABLE), of_factor)
        power = np.where(of_factor == Reason.NONE, power, 0)
        # Divided by a whole power, 235 tenths are 23.5 and not the nearest that 0.1 allows.
        raw[rows] = np.where(power < 0, raw[rows] / 10.0**-power, raw[rows] * 10.0**power)
        found[rows] = np.where(found[rows] == Reason.NONE, of_factor, found[rows])
        if exact:
            powers = dict(zip(rows.tolist(), power.tolist(), strict=True))
            for row in exact.keys() & powers.keys():
                exact[row] = Decimal(exact[row]).scaleb(int(powers[row]))
            for row in [row for row in exact if row >= self.rows]:
                del exact[row]


def _grouped(addresses: Sequence[Address], layout: Layout) -> Iterator[Group]:
    def key(row: int) -> tuple[str, bool, bool]:
        address = addresses[row]
        return address.type, address.table in BIT_TABLES, address.bit is not None

    numbers = sorted((row for row, a in enumerate(addresses) if a.type != "string"), key=key)
    for (name, is_coil, has_bit), group in groupby(numbers, key):
        rows = list(group)
        of_rows = [addresses[row] for row in rows]
        kind = KINDS[("uint8" if is_coil else "uint16") if name == "bool" else name]
        unsigned = _unsigned(kind)
        index = np.array([layout.index(address) for address in of_rows])
        marks = [(i, pattern) for i, a in enumerate(of_rows) for pattern in a.nan]
        yield Group(
            name,
            kind,
            np.array(rows),
            index,
            _fields(of_rows, unsigned) if has_bit else None,
            (np.array([i for i, _ in marks], np.intp), np.array([p for _, p in marks], unsigned)),
        )


def _decode(group: Group, buffer: Bytes, raw: Floats, found: Bytes, exact: dict[int, Exact]) -> None:
    kind, rows = group.kind, group.rows
    carriers = buffer[group.index].view(_unsigned(kind))[:, 0]
    if group.fields is not None:
        shift, mask = group.fields
        carriers = carriers >> shift & mask
    values = carriers.view(kind.carrier)
    raw[rows] = numbers = kind.decode(values) if kind.decode else values
    if kind.decode:
        found[rows[np.isnan(numbers)]] = Reason.UNDECODABLE
    marked, patterns = group.marks
    if len(marked):
        found[rows[marked[carriers[marked] == patterns]]] = Reason.NO_VALUE
    if kind.carrier.itemsize == 8 and kind.carrier.kind in "iu" and not kind.decode:
        _keep_large(rows, values, found, exact)
    if group.name in TIMES:
        exact |= {
            row: time_text(value)
            for row, value in zip(rows.tolist(), numbers.tolist(), strict=True)
            if found[row] == Reason.NONE
        }


def _fields(addresses: Sequence[Address], unsigned: np.dtype[Any]) -> tuple[Carriers, Carriers]:
    """Return by how much to shift, and the mask of what is left."""
    shifts, masks = [a.bit for a in addresses], [(1 << a.width) - 1 for a in addresses]
    return np.array(shifts, unsigned), np.array(masks, unsigned)


def _unsigned(kind: Kind) -> np.dtype[Any]:
    return np.dtype(f"<u{kind.carrier.itemsize}")


def _keep_large(rows: Rows, values: Carriers, found: Bytes, exact: dict[int, Exact]) -> None:
    large = values > 2**53
    if values.dtype.kind == "i":
        large |= values < -(2**53)
    for i in np.flatnonzero(large).tolist():
        value = int(values[i])
        exact[int(rows[i])] = value
        if int(float(value)) != value and found[rows[i]] == Reason.NONE:
            found[rows[i]] = Reason.ROUNDED


def _text(data: bytes, encoding: str) -> str | None:
    """Return a text up to its NUL, without the blanks that fill it up; None if the bytes are no text."""
    if encoding != "utf-16-be":
        data = data.split(b"\0", 1)[0]
    try:
        return data.decode(encoding).split("\0", 1)[0].rstrip()
    except UnicodeDecodeError:
        return None
