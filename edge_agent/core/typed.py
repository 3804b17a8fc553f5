"""What a person types for a tag, to its value, and on to the raw value that the device takes."""

import re
from decimal import ROUND_FLOOR, Decimal, InvalidOperation

import numpy as np

from edge_agent.core.kinds import KINDS, TIMES
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag

Value = Decimal | str
"""A number in engineering units, or the text of a string."""

_NEARLY = Decimal("1e-12")
"""How far a raw value may be from a whole number, as a part of it, by the digits that a scale was cut to."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?)(Z|[+-]\d\d:?\d\d)?")
_LARGEST = 308
"""The power of ten of what any type holds."""


def typed(tag: Tag, text: str) -> Value:
    """Return the value that a text is for a tag: a string, a number, a number's label, or a time.

    A time is ISO 8601 by the device's own clock, or its seconds since 1970. Raises ValueError.
    """
    kind = tag.address.type if isinstance(tag.address, Address) else ""
    if kind == "string":
        return text
    meant = {Decimal(number) for number, label in tag.labels if label == text} | _number(text)
    if not meant and kind in TIMES:
        return _seconds(text)
    if len(meant) > 1:
        numbers = " or ".join(f"{number:f}" for number in sorted(meant))
        raise ValueError(f"{text!r} is a number and a label, and may mean {numbers}")
    if not meant:
        labels = ", ".join(label for _, label in tag.labels)
        raise ValueError(f"{text!r} is no number" + (f", and none of {labels}" if labels else ""))
    return meant.pop()


def _number(text: str) -> set[Decimal]:
    try:
        return {Decimal(text)}
    except InvalidOperation:
        return set()


def _seconds(text: str) -> Decimal:
    match = _TIME.fullmatch(text)
    if match and match[2]:
        raise ValueError(f"{text!r} has a zone, a device's clock has none; write the time that it is to show")
    try:
        time = np.datetime64(match[1] if match else "none", "us")
    except ValueError:
        raise ValueError(f"{text!r} is no time such as 2026-11-29T06:00:00") from None
    return Decimal(int(time.astype(np.int64))) / 10**6


def raw(tag: Tag, value: Value, power: int = 0) -> float | str:
    """Return the raw value for a value: an integer of any size exactly, 3 for 1 at 0.3333333333333333.

    `power` is the power of ten that the tag's scale-factor register holds. Raises ValueError for what is no
    whole number where the type holds no other.
    """
    if isinstance(value, str):
        return value
    if not value.is_finite():
        return float(value)
    if value.adjusted() > _LARGEST:
        raise ValueError(f"{value} does not fit any type")
    scale, offset = Decimal(repr(tag.scale)), Decimal(repr(tag.offset))
    exact = ((value - offset) / scale).scaleb(-power)
    whole = exact.to_integral_value()
    kind = tag.address.type if isinstance(tag.address, Address) else ""
    is_float = kind in KINDS and KINDS[kind].is_float
    if abs(exact - whole) <= (0 if is_float or scale == 1 else abs(whole) * _NEARLY):
        return int(whole)
    if is_float or kind in ("", *TIMES):  # a node's type is its server's affair
        return float(exact)
    below = exact.to_integral_value(ROUND_FLOOR)
    low, high = sorted(n.scaleb(power) * scale + offset for n in (below, below + 1))
    factor = f" with 10^{power} in its scale-factor register" if power else ""
    raise ValueError(
        f"{value} does not fit {kind}{factor}: {exact.normalize():f} is no whole number; "
        f"{low.normalize():f} and {high.normalize():f} would fit"
    )
