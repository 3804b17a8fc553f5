"""A number as text for people: with the digits that its type holds, and none that it has not."""

from decimal import Decimal

import numpy as np

from edge_agent.core.kinds import KINDS
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag

_DIGITS = 15
"""What every float64 holds. The 17 of its `repr` also show what a scale could not be written as."""


def shown(tag: Tag, value: float) -> str:
    """Write a finite value of a tag, in engineering units.

    Integers are whole. A float32 is the shortest text that gives it back, a float64 its `repr`. What is
    scaled is the number that the scale makes of that, as they are written: 23.4 for the raw value 234 at a
    scale of 0.1.
    """
    address = tag.address
    scaled = tag.scale != 1 or tag.offset != 0
    if not isinstance(address, Address):
        return f"{value:.{_DIGITS}g}" if scaled else _of_unknown_type(value)
    kind = KINDS.get(address.type)
    if address.factor is not None or kind == KINDS["float64"]:
        return f"{value:.{_DIGITS}g}" if scaled else _text(Decimal(repr(value)))
    raw = (value - tag.offset) / tag.scale
    digits = Decimal(str(kind.carrier.type(raw))) if kind and kind.is_float else Decimal(round(raw))
    number = (digits * Decimal(repr(tag.scale)) + Decimal(repr(tag.offset))).normalize()
    return _text(number) if len(number.as_tuple().digits) <= _DIGITS + 1 else f"{value:.{_DIGITS}g}"


def _of_unknown_type(value: float) -> str:
    """Write a value whose type is its server's affair: a float32 without the digits that a float64 adds."""
    text = repr(value)
    if len(text) > _DIGITS + 2 and not value.is_integer() and float(np.float32(value)) == value:
        text = str(np.float32(value))
    return _text(Decimal(text))


def _text(number: Decimal) -> str:
    """Write a number without zeros at its end, and with an exponent only where it is very large or small."""
    number = number.normalize()
    return f"{number:f}" if -6 < number.adjusted() < 20 else str(number).lower()
