"""One codec for reading and writing registers.

A byte order is written as the bytes stand on the wire, A being the most significant: ABCD is what the
specification suggests, CDAB has its words swapped, BADC its bytes, DCBA both.

The plan is compiled once. Decoding a scan is then one gather and one view for each type in use, since
a byte order is nothing but an index.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.core.encode import Encoder, encoder_of, mask_of
from edge_agent.core.kinds import KINDS, TIMES, Carriers, Kind, time_text
from edge_agent.core.layout import Layout
from edge_agent.core.readplan import Block
from edge_agent.core.registers import BIT_TABLES, Address
from edge_agent.core.tags import Bytes, Floats, Reason

Rows = npt.NDArray[np.intp]
LARGEST_FACTOR = 10
"""The power of ten that a scale factor may be at most, up or down (SunSpec Information Model, sunssf)."""


class Decoded(NamedTuple):
    """Raw values float64[n], reasons uint8[n], and what a float64 cannot say by row."""

    raw: Floats
    reason: Bytes
    exact: dict[int, int | str]


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows of one type.

    `index` says where the bytes of each carrier stand, the least significant first; `fields` are shifts and
    masks of bit fields; `marks` are which of the rows are no value when their carrier is which pattern.
    """

    name: str
    kind: Kind
    rows: Rows
    index: npt.NDArray[np.intp]
    fields: tuple[Carriers, Carriers] | None
    marks: tuple[Rows, Carriers]


class Codec:
    """Moves values between float64[n] and a buffer that holds the blocks, see `Layout`."""

    def __init__(self, addresses: Sequence[Address], blocks: Sequence[Block]) -> None:
        self.rows = len(addresses)
        self.layout = Layout(blocks)
        self._addresses = list(addresses)
        factors = list(dict.fromkeys(a.factor for a in addresses if a.factor is not None))
        at = {factor: len(addresses) + i for i, factor in enumerate(factors)}
        self._scaled = np.array([row for row, a in enumerate(addresses) if a.factor is not None], np.intp)
        self._factors = np.array([at[a.factor] for a in addresses if a.factor is not None], np.intp)
        self._all = [*addresses, *factors]
        self._groups = list(self._grouped())
        self._strings = [
            (row, self.layout.index(a), a.encoding) for row, a in enumerate(self._all) if a.type == "string"
        ]

    def decode(self, buffer: Bytes, reason: Bytes) -> Decoded:
        """Decode a buffer, uint8[layout.size + 1].

        A row whose `reason` is not NONE has no bytes and keeps its reason.
        """
        raw = np.empty(len(self._all))
        found = np.zeros(len(self._all), np.uint8)
        exact: dict[int, int | str] = {}
        # A signalling NaN and a factor too far are values like others until they are graded.
        with np.errstate(over="ignore", invalid="ignore"):
            for group in self._groups:
                self._decode(group, buffer, raw, found, exact)
            if len(self._scaled):
                self._scale(raw, found, exact)
        for row, index, encoding in self._strings:
            text = _text(buffer[index].tobytes(), encoding)
            raw[row] = len(text or "")
            if text is None:
                found[row] = Reason.UNDECODABLE
            else:
                exact[row] = text
        found = found[: self.rows]
        return Decoded(raw[: self.rows], np.where(reason, reason, found) if found.any() else reason, exact)

    def encode(self, values: Sequence[float | str]) -> list[bytes]:
        """Return the data of each block. Raises ValueError for a value that its type cannot hold."""
        return self._laid_out([encode(value) for encode, value in zip(self._encoders, values, strict=True)])

    def masks(self) -> list[bytes]:
        """Return the bits of each block's data that `encode` sets; the others belong to somebody else."""
        return self._laid_out([mask_of(address) for address in self._addresses])

    def _laid_out(self, carriers: Sequence[bytes]) -> list[bytes]:
        buffer = bytearray(self.layout.size + 1)
        for places, carrier in zip(self._targets, carriers, strict=True):
            if isinstance(places, slice):
                buffer[places] = carrier[::-1]
                continue
            # A carrier with room to spare ends in zeros, which have no place.
            for place, byte in zip(places, carrier, strict=False):
                buffer[place] |= byte
        return self.layout.data(buffer)

    @cached_property
    def _encoders(self) -> list[Encoder]:
        return [encoder_of(address) for address in self._addresses]

    @cached_property
    def _targets(self) -> list[list[int] | slice]:
        return [_target(address, self.layout.index(address).tolist()) for address in self._addresses]

    def _grouped(self) -> Iterator[_Group]:
        def key(row: int) -> tuple[str, bool, bool]:
            address = self._all[row]
            return address.type, address.table in BIT_TABLES, address.bit is not None

        numbers = sorted((row for row, a in enumerate(self._all) if a.type != "string"), key=key)
        for (name, is_coil, has_bit), group in groupby(numbers, key):
            rows = list(group)
            of_rows = [self._all[row] for row in rows]
            kind = KINDS[("uint8" if is_coil else "uint16") if name == "bool" else name]
            unsigned = _unsigned(kind)
            index = np.array([self.layout.index(address) for address in of_rows])
            marks = [(i, pattern) for i, a in enumerate(of_rows) for pattern in a.nan]
            yield _Group(
                name,
                kind,
                np.array(rows),
                index,
                _fields(of_rows, unsigned) if has_bit else None,
                (np.array([i for i, _ in marks], np.intp), np.array([p for _, p in marks], unsigned)),
            )

    def _decode(
        self, group: _Group, buffer: Bytes, raw: Floats, found: Bytes, exact: dict[int, int | str]
    ) -> None:
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

    def _scale(self, raw: Floats, found: Bytes, exact: dict[int, int | str]) -> None:
        rows, power = self._scaled, raw[self._factors]
        of_factor = found[self._factors]
        wild = (np.abs(power) > LARGEST_FACTOR) & (of_factor == Reason.NONE)
        of_factor = np.where(wild, np.uint8(Reason.UNDECODABLE), of_factor)
        power = np.where(of_factor == Reason.NONE, power, 0)
        # Divided by a whole power, 235 tenths are 23.5 and not the nearest that 0.1 allows.
        raw[rows] = np.where(power < 0, raw[rows] / 10.0**-power, raw[rows] * 10.0**power)
        found[rows] = np.where(found[rows] == Reason.NONE, of_factor, found[rows])
        for row in set(exact).intersection(rows.tolist()):
            del exact[row]


def _target(address: Address, places: list[int]) -> list[int] | slice:
    """Return where a carrier goes; a slice if the most significant byte comes first, as nearly always."""
    falling = places == list(range(places[0], places[-1] - 1, -1))
    whole = address.type != "string" and not address.is_partial
    return slice(places[-1], places[0] + 1) if falling and whole else places


def _fields(addresses: Sequence[Address], unsigned: np.dtype[Any]) -> tuple[Carriers, Carriers]:
    """Return by how much to shift, and the mask of what is left."""
    shifts, masks = [a.bit for a in addresses], [(1 << a.width) - 1 for a in addresses]
    return np.array(shifts, unsigned), np.array(masks, unsigned)


def _unsigned(kind: Kind) -> np.dtype[Any]:
    return np.dtype(f"<u{kind.carrier.itemsize}")


def _keep_large(rows: Rows, values: Carriers, found: Bytes, exact: dict[int, int | str]) -> None:
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
