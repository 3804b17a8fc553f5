"""What registers can hold: every type by its carrier, the whole bytes on the wire, and its meaning.

A carrier is little-endian here; the codec has put the bytes in that order. Where a carrier is not the
number itself, `decode` turns an array of carriers into numbers, NaN where the bytes are no value of the
type, and `encode` turns one number into its carrier.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_agent.core.tags import Floats

Carriers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One type. `size` is in bytes on the wire; `carrier` may have room for more."""

    carrier: np.dtype[Any]
    size: int
    decode: Callable[[Carriers], Floats] | None = None
    encode: Callable[[float], int] | None = None

    @property
    def is_float(self) -> bool:
        """Whether it is one of IEEE 754."""
        return self.carrier.kind == "f"


def _number(code: str) -> Kind:
    dtype = np.dtype(code)
    return Kind(dtype, dtype.itemsize)


def _from_bcd(digits: int) -> Callable[[Carriers], Floats]:
    def decode(carriers: Carriers) -> Floats:
        nibbles = carriers[:, np.newaxis] >> np.arange(0, 4 * digits, 4, dtype=carriers.dtype) & 15
        numbers = (nibbles * 10.0 ** np.arange(digits)).sum(axis=1)
        return np.where((nibbles <= 9).all(axis=1), numbers, np.nan)

    return decode


def _to_bcd(digits: int) -> Callable[[float], int]:
    def encode(value: float) -> int:
        if not 0 <= value < 10**digits or not float(value).is_integer():
            raise ValueError(f"{value} does not fit {digits} decimal digits")
        return int(str(int(value)), 16)

    return encode


def _bcd(code: str) -> Kind:
    dtype = np.dtype(code)
    digits = 2 * dtype.itemsize
    return Kind(dtype, dtype.itemsize, _from_bcd(digits), _to_bcd(digits))


def _seconds(year: Carriers, month: Carriers, day: Carriers, clock: Floats) -> Floats:
    """Return seconds since 1970 of a civil date and `clock` seconds; NaN where there is no such day."""
    months = ((year - 1970) * 12 + month - 1).astype("M8[M]")
    days = months.astype("M8[D]") + (day - 1).astype("m8[D]")
    real = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("M8[M]") == months)
    return np.where(real, days.astype(np.int64) * 86400.0 + clock, np.nan)


def _clock(hour: Carriers, minute: Carriers, second: Carriers) -> Floats:
    real = (hour < 24) & (minute < 60) & (second < 60)
    return np.where(real, hour * 3600.0 + minute * 60.0 + second, np.nan)


def _from_iec(carriers: Carriers) -> Floats:
    c = carriers.astype(np.int64)
    clock = _clock(c >> 24 & 31, c >> 16 & 63, (c & 0xFFFF) / 1000)
    invalid = (c >> 23 & 1).astype(bool)
    return _seconds(2000 + (c >> 48 & 127), c >> 40 & 15, c >> 32 & 31, np.where(invalid, np.nan, clock))


def _from_bytes(carriers: Carriers) -> Floats:
    c = carriers.astype(np.int64)
    clock = _clock(c >> 16 & 255, c >> 8 & 255, c & 255)
    return _seconds(2000 + (c >> 40 & 255), c >> 32 & 255, c >> 24 & 255, clock)


def _civil(value: float, digits: int) -> tuple[int, int, int, int, int, float]:
    """Return year since 2000, month, day, hour, minute and second of seconds since 1970."""
    if not 946_684_800 <= value < 4_102_444_800:
        raise ValueError(f"{value} s since 1970 does not fit 2000 to 2099")
    value = round(value, digits)
    day = np.datetime64(int(value // 86400), "D")
    month = day.astype("M8[M]")
    months = int(month.astype(np.int64))
    minutes, second = divmod(value % 86400, 60)
    of_month = int((day - month.astype("M8[D]")).astype(np.int64)) + 1
    return months // 12 - 30, months % 12 + 1, of_month, int(minutes // 60), int(minutes % 60), second


def _to_iec(value: float) -> int:
    year, month, day, hour, minute, second = _civil(value, 3)
    return year << 48 | month << 40 | day << 32 | hour << 24 | minute << 16 | min(round(second * 1000), 59999)


def _to_bytes(value: float) -> int:
    year, month, day, hour, minute, second = _civil(value, 0)
    return year << 40 | month << 32 | day << 24 | hour << 16 | minute << 8 | int(second)


KINDS: dict[str, Kind] = {
    "int8": _number("<i1"),
    "uint8": _number("<u1"),
    "int16": _number("<i2"),
    "uint16": _number("<u2"),
    "int32": _number("<i4"),
    "uint32": _number("<u4"),
    "int64": _number("<i8"),
    "uint64": _number("<u8"),
    "float16": _number("<f2"),
    "float32": _number("<f4"),
    "float64": _number("<f8"),
    "bcd16": _bcd("<u2"),
    "bcd32": _bcd("<u4"),
    "time_unix": _number("<u4"),
    "time_iec": Kind(np.dtype("<u8"), 8, _from_iec, _to_iec),
    "time_bytes": Kind(np.dtype("<u8"), 6, _from_bytes, _to_bytes),
}
"""Numbers and times. A time is a number of seconds since 1970 in the device's own time zone.

`time_unix` is a 32-bit count of them (CET PMC-53A). `time_iec` are the four registers after IEC 60870-5-4
as Schneider's EM3000 tables give them: year - 2000; month and day; hour and minute; milliseconds.
`time_bytes` are six bytes: year - 2000, month, day, hour, minute, second (CET PMC-53A).
"""

TIMES = tuple(name for name in KINDS if name.startswith("time_"))


def time_text(seconds: float) -> str:
    """Write seconds since 1970 as ISO 8601, to the millisecond and without a zone."""
    return str(np.datetime64(round(seconds * 1000), "ms"))
