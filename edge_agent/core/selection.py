"""Chosen fields of the result, each in a tag of its own: for a PLC that cannot take the block as a frame."""

import math
from collections.abc import Sequence

import msgspec

from edge_agent.core.resultblock import FIELDS

FRAME_ONLY = ("layout", "sequence_again", "crc")
"""Fields that say something of the whole block, and nothing of their own."""
MAY_BE_MISSING = ("score", "value")
"""Fields that are NaN where there is no result."""

RANGES = {
    "int16": (-(2.0**15), 2.0**15 - 1),
    "uint16": (0.0, 2.0**16 - 1),
    "int32": (-(2.0**31), 2.0**31 - 1),
    "uint32": (0.0, 2.0**32 - 1),
    "float32": (-math.inf, math.inf),
    "float64": (-math.inf, math.inf),
}
"""The types that a field may be written as, and what they hold."""
_KINDS = {name: kind for name, kind, _ in FIELDS}


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """One field and how it is written: ``(value - offset) / scale``, as `type`, a key of `RANGES`.

    `missing` is the raw number that stands for NaN, and for what the type cannot hold, in an integer.
    """

    field: str
    type: str
    scale: float = 1.0
    offset: float = 0.0
    missing: float | None = None

    @property
    def whole(self) -> bool:
        """Whether it is written as an integer."""
        return not self.type.startswith("float")


def problem(chosen: Chosen) -> str:
    """Return what is wrong with a choice, "" if nothing is."""
    if chosen.type not in RANGES:
        return f"a result is no {chosen.type}; use {', '.join(RANGES)}"
    if not chosen.whole:
        return ""
    return _no_place_for_nan(chosen) if chosen.field in MAY_BE_MISSING else _no_place_for_code(chosen)


def _no_place_for_nan(chosen: Chosen) -> str:
    low, high = RANGES[chosen.type]
    if chosen.missing is None:
        return f"{chosen.type} has no NaN: say with missing which number means that there is no result"
    fits = low <= chosen.missing <= high and float(chosen.missing).is_integer()
    return "" if fits else f"missing {chosen.missing:g} is no {chosen.type}"


def _no_place_for_code(chosen: Chosen) -> str:
    kind = _KINDS[chosen.field]
    if chosen.scale != 1 or chosen.offset:
        return f"{chosen.field} counts or is a code: it has no scale or offset"
    (low, high), (least, most) = RANGES[chosen.type], RANGES[kind]
    if low <= least and most <= high:
        return ""
    return f"{chosen.type} cannot hold every {chosen.field}; use {kind}"


class Selection:
    """Turns the values of the whole block into those of the chosen fields. Planned once."""

    def __init__(self, chosen: Sequence[Chosen]) -> None:
        places = {name: place for place, (name, _, _) in enumerate(FIELDS)}
        self._chosen = [(places[c.field], c, *RANGES[c.type]) for c in chosen]

    def __call__(self, values: Sequence[float]) -> list[float]:
        """Take raw values in the order of `FIELDS`; return those to write, in the order of the choice."""
        return [_raw(values[place], chosen, low, high) for place, chosen, low, high in self._chosen]


def _raw(value: float, chosen: Chosen, low: float, high: float) -> float:
    raw = (value - chosen.offset) / chosen.scale
    if not chosen.whole:
        return raw
    if chosen.missing is not None and not (math.isfinite(raw) and low <= round(raw) <= high):
        return chosen.missing
    return float(round(raw))
