"""Which type, byte order and scale explain a number that somebody reads off an HMI."""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from edge_agent.core.kinds import KINDS, TIMES

SCALES = (1.0, 0.1, 0.01, 0.001, 10.0)
"""Scales that devices use, the most likely first."""
RARE = ("float16", "bcd16", "bcd32")
"""Types that few devices have."""
_ORDERS = {
    2: ("AB", "BA"),
    4: ("ABCD", "CDAB", "BADC", "DCBA"),
    8: ("ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"),
}
"""The orders that are in use, by size in bytes: as it should be, words swapped, bytes swapped, both."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Registers of `table` read as `type` in `order`, times `scale`, are `value`."""

    table: str
    type: str
    order: str
    scale: float
    value: float

    def text(self) -> str:
        """One line for a person."""
        scale = "" if self.scale == 1 else f", scale {self.scale:g}"
        return f"{self.type} {self.order}{scale}: {self.value:.7g}"

    @property
    def oddities(self) -> int:
        """How many things about it are not plain: a scale, another order than the first, a rare type."""
        return (self.scale != 1) + (self.order not in ("AB", "ABCD", "ABCDEFGH")) + (self.type in RARE)


def precision(text: str) -> float:
    """Return half a unit of the last digit of a decimal number as it was written. Raises ValueError."""
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is no number that a display can show")
    mantissa, _, exponent = text.lower().partition("e")
    return float(0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2])))


def explain(held: Mapping[str, Sequence[int]], expected: float, tolerance: float) -> list[Explanation]:
    """Return what registers from one address on can be to be within `tolerance` of `expected`.

    `held` are those of each table. Best first: the plain before the odd, then what agrees to a hundredth of
    the tolerance before what agrees less, then the tables' order, and fewer registers.
    """
    found = [
        Explanation(table=table, type=kind, order=order, scale=scale, value=raw * scale)
        for table, words in held.items()
        for kind, order, raw in _readings(words)
        for scale in SCALES
        if abs(raw * scale - expected) <= tolerance
    ]
    return sorted(found, key=lambda e: (e.oddities, round(abs(e.value - expected) / tolerance, 2)))


def _readings(words: Sequence[int]) -> Iterator[tuple[str, str, float]]:
    data = struct.pack(f">{len(words)}H", *words)
    for name, kind in sorted(KINDS.items(), key=lambda item: item[1].size):
        if name in TIMES or kind.size not in _ORDERS or kind.size > len(data):
            continue
        for order in _ORDERS[kind.size]:
            little = bytes(data[order.index(letter)] for letter in sorted(order, reverse=True))
            carriers = np.frombuffer(little, kind.carrier)
            value = float(kind.decode(carriers)[0] if kind.decode else carriers[0])
            if math.isfinite(value):
                yield name, order, value
