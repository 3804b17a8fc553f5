"""One value to the bytes that stand for it."""

import struct

from edge_agent.core.kinds import KINDS
from edge_agent.core.registers import BIT_TABLES, Address


def carrier_of(address: Address, value: float | str) -> bytes:
    """Return a text's bytes in turn, or a number's, the least significant first.

    Raises ValueError for what the address's type cannot hold.
    """
    if isinstance(value, str) != (address.type == "string"):
        raise ValueError(f"{value!r} does not fit {address.type}")
    if isinstance(value, str):
        return _string_bytes(address, value)
    if address.factor is not None:
        raise ValueError("a value with a scale-factor register cannot be written")
    if address.type == "bool" or address.bit is not None:
        return _field_bytes(address, value)
    kind = KINDS[address.type]
    number = kind.encode(value) if kind.encode else _exact(address.type, value)
    try:
        return struct.pack("<" + kind.carrier.char.replace("l", "q").replace("L", "Q"), number)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value} does not fit {address.type}: {error}") from None


def mask_of(address: Address) -> bytes:
    """Return the bits of `carrier_of` that belong to the value."""
    if address.type == "bool" or address.bit is not None:
        return _field_bytes(address, (1 << address.width) - 1)
    return b"\xff" * address.size


def _string_bytes(address: Address, text: str) -> bytes:
    try:
        data = text.encode(address.encoding)
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r} does not fit encoding {address.encoding}: {error.reason}") from None
    if len(data) > address.length:
        raise ValueError(f"{text!r} has {len(data)} bytes and does not fit string[{address.length}]")
    return data


def _field_bytes(address: Address, value: float) -> bytes:
    if not float(value).is_integer() or not 0 <= value < 1 << address.width:
        raise ValueError(
            f"{value} does not fit {address.type}" + f" of {address.width} bits" * (address.width > 1)
        )
    if address.table in BIT_TABLES:
        return bytes([int(value)])
    return (int(value) << (address.bit or 0)).to_bytes(address.size, "little")


def _exact(kind: str, value: float) -> float:
    if kind.startswith("float"):
        return float(value)
    if not float(value).is_integer():
        raise ValueError(f"{value} does not fit {kind}")
    return int(value)
