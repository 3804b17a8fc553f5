"""One value to the bytes that stand for it: planned once for an address, then called for every value."""

import struct
from collections.abc import Callable
from functools import partial

from edge_agent.core.kinds import KINDS
from edge_agent.core.registers import BIT_TABLES, Address

Encoder = Callable[[float | str], bytes]
"""From a value to its carrier: a text's bytes in turn, a number's, the least significant first.

Raises ValueError for what the address's type cannot hold.
"""


def encoder_of(address: Address) -> Encoder:
    """Return what turns the values of an address into bytes."""
    if address.factor is not None:
        return _refuse_scaled
    if address.type == "string":
        return partial(_text, address)
    if address.type == "bool" or address.bit is not None:
        return partial(_field, address)
    kind = KINDS[address.type]
    pack = struct.Struct("<" + kind.carrier.char.replace("l", "q").replace("L", "Q")).pack
    carrier = kind.encode or (float if kind.is_float else _whole)

    def encode(value: float | str) -> bytes:
        if isinstance(value, str):
            raise ValueError(f"{value!r} does not fit {address.type}: a number is needed")  # noqa: TRY004
        try:
            return pack(carrier(value))
        except (ValueError, OverflowError, struct.error) as error:
            raise ValueError(f"{value!r} does not fit {address.type}: {error}") from None

    return encode


def mask_of(address: Address) -> bytes:
    """Return the bits of the carrier that belong to the value."""
    if address.type == "bool" or address.bit is not None:
        return _field(address, (1 << address.width) - 1)
    return b"\xff" * address.size


def _refuse_scaled(value: float | str) -> bytes:
    raise ValueError(f"{value!r} does not fit: its scale factor has to be read and taken out first")


def _text(address: Address, value: float | str) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} does not fit string: a text is needed")  # noqa: TRY004
    try:
        data = value.encode(address.encoding)
    except UnicodeEncodeError as error:
        raise ValueError(f"{value!r} does not fit encoding {address.encoding}: {error.reason}") from None
    if len(data) > address.length:
        raise ValueError(f"{value!r} has {len(data)} bytes and does not fit string[{address.length}]")
    return data


def _field(address: Address, value: float | str) -> bytes:
    bits = f" of {address.width} bits" if address.width > 1 else ""
    if isinstance(value, str) or not 0 <= value < 1 << address.width or value != int(value):
        raise ValueError(f"{value!r} does not fit {address.type}{bits}")
    if address.table in BIT_TABLES:
        return bytes([int(value)])
    return (int(value) << (address.bit or 0)).to_bytes(address.size, "little")


def _whole(value: float) -> int:
    whole = int(value)
    if whole != value:
        raise ValueError("it is no whole number")
    return whole
