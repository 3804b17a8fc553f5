"""Values as Modbus devices hold them: every type, order, bit field and encoding, drawn by hypothesis."""

import struct

import numpy as np
from hypothesis import strategies as st

from edge_agent.core.kinds import KINDS
from edge_agent.core.registers import Address

STRUCT = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
}
Item = tuple[Address, float | str, int]
"""Where and as what (its offset is set later), the value, registers left free before it."""


def by_hand(value: float, kind: str, order: str) -> bytes:
    """The letters of the order say which byte of the big-endian value stands at each place."""
    letter = STRUCT[kind]
    big = struct.pack(">" + letter, value if letter in "fde" else int(value))
    return bytes(big["ABCDEFGH".index(place)] for place in order)


def numbers_of(kind: str) -> st.SearchStrategy[float]:
    carrier = KINDS[kind].carrier
    if kind.startswith("float"):
        return st.floats(width=8 * carrier.itemsize, allow_nan=False)
    if kind.startswith("bcd"):
        return st.integers(0, 100**carrier.itemsize - 1)
    if kind == "time_iec":
        return st.integers(946_684_800_000, 4_102_444_799_999).map(lambda ms: ms / 1000)
    if kind == "time_bytes":
        return st.integers(946_684_800, 4_102_444_799)
    info = np.iinfo(carrier.name)
    return st.integers(int(info.min), int(info.max))


@st.composite
def items(draw: st.DrawFn) -> Item:
    gap = draw(st.integers(0, 30))
    kind = draw(st.sampled_from([*KINDS, "bool", "field", "string"]))
    place = {"table": "holding", "offset": 0}
    if kind == "bool":
        bit = draw(st.integers(0, 15))
        return Address(**place, type="bool", bit=bit), draw(st.integers(0, 1)), gap
    if kind == "field":
        kind = draw(st.sampled_from(["uint16", "uint32", "uint64"]))
        width = draw(st.integers(2, 8 * KINDS[kind].size))
        bit = draw(st.integers(0, 8 * KINDS[kind].size - width))
        order = "".join(draw(st.permutations(Address(**place, type=kind).letters)))
        address = Address(**place, type=kind, order=order, bit=bit, width=width)
        return address, draw(st.integers(0, 2**width - 1)), gap
    if kind == "string":
        encoding = draw(st.sampled_from(["ascii", "latin-1", "utf-8", "utf-16-be"]))
        length, order = draw(st.integers(1, 40)), draw(st.sampled_from(["", "AB", "BA"]))
        length += length % 2 * (encoding == "utf-16-be")
        letters = st.characters(codec="ascii" if encoding == "ascii" else "latin-1", exclude_characters="\0")
        text = draw(st.text(letters, max_size=length // (1 if encoding in ("ascii", "latin-1") else 2)))
        address = Address(**place, type="string", length=length, order=order, encoding=encoding)
        return address, text.rstrip(), gap
    letters = Address(**place, type=kind).letters
    order = draw(st.sampled_from("HL")) if letters == "HL" else "".join(draw(st.permutations(letters)))
    return Address(**place, type=kind, order=order), draw(numbers_of(kind)), gap
