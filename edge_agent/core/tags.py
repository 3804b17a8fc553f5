"""Tags and the process image. Read this first: everything else passes these around.

Value, quality and time are columns, not objects, so that one scan is a handful of numpy calls
whatever the number of tags. `Sample` is the view of one row, for people and tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from enum import IntEnum
from types import MappingProxyType
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Nanoseconds = npt.NDArray[np.int64]

T = TypeVar("T")

_LARGEST = np.finfo(np.float64).max
_NOTHING: Mapping[int, int | str] = MappingProxyType({})
_EXACTLY = Context(prec=100, traps=[Inexact])
"""Room for 20 digits times 17, and an offset of 17 that is far away."""
_SILENCE: Mapping[int, str] = MappingProxyType({})


class Quality(IntEnum):
    """Severity of a value as OPC UA has it (Part 4, 7.39), ordered so that `min()` is the worst."""

    BAD = 0
    UNCERTAIN = 1
    GOOD = 2


class Reason(IntEnum):
    """Why something is not as it should be. The PLC reads this number: never renumber a member."""

    NONE = 0
    NO_LINK = 1  # the device is not connected
    TIMEOUT = 2  # connected, but no answer before the deadline
    BAD_REPLY = 3  # an answer that does not fit its request
    DEVICE_REFUSED = 4  # a Modbus exception code, an OPC UA Bad status
    NOT_FINITE = 5  # NaN or infinity
    OUT_OF_RANGE = 6  # outside the tag's engineering range
    LATE = 7  # the agent itself missed cycles
    STALE = 8  # older than the machine allows
    NEVER_READ = 9
    DEVICE_UNCERTAIN = 10  # an OPC UA Uncertain status
    NO_VALUE = 11  # the device's own mark for "no value"
    UNDECODABLE = 12  # the bytes are no value of the tag's type
    QUARANTINED = 13  # the device refuses this address; it is asked again once in a while
    ROUNDED = 14  # an integer that a float64 cannot hold to the last digit
    FILLED = 15  # too few rows of the window were measured
    WARMING_UP = 20  # the window is not full yet
    MODEL_DOWN = 21  # the inference child is dead or restarting
    MODEL_LATE = 22  # no answer before the deadline
    MODEL_NOT_FINITE = 23  # the model answered NaN or infinity
    MACHINE_IDLE = 24  # the machine does not run, so there is nothing to score
    MACHINE_SETTLING = 25  # it runs, but not long enough yet
    STOPPED = 30  # the agent was stopped on purpose


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """One value in a device.

    `name` is ``device.tag``. `address` means what the tag's driver says: a `registers.Address`, a node
    id. The engineering value is ``raw * scale + offset`` in `unit`; outside `low`..`high` it is
    UNCERTAIN. `labels` are what the values of an enumeration mean.
    """

    name: str
    address: object
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    labels: tuple[tuple[int, str], ...] = ()

    def meaning(self, sample: "Sample") -> int | str | None:
        """Return what the value stands for, None if it is a number and no more.

        A label is one number's alone.
        """
        if isinstance(sample.exact, str):
            return sample.exact
        number = sample.value if sample.exact is None else sample.exact
        return next((label for value, label in self.labels if value == number), sample.label or sample.exact)


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of an image. `value` is NaN if and only if `quality` is BAD. `at` is monotonic, in ns.

    `exact` is what a float64 cannot say: a text, a time, an integer beyond 2**53 or, if that is scaled, its
    decimal number as text. `said` is the device's own word for why the value is not good, or good in a way of
    its own, such as forced by hand. `source` is when it got the value, by its own clock, and `server` when
    whoever serves it had it, by theirs: both in ns since 1970, 0 if that is not said. `label` is what the
    device calls this value of an enumeration.
    """

    value: float
    quality: Quality
    reason: Reason
    at: int
    exact: int | str | None = None
    said: str = ""
    source: int = 0
    server: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """Values of n tags at one time.

    `value` float64[n] in engineering units, `quality` and `reason` uint8[n], `at` int64[n] monotonic ns.
    `value` is NaN exactly where `quality` is BAD. `exact` has the rows that a float64 cannot hold: texts
    (their `value` is their length), times, and integers beyond 2**53 (ROUNDED in `value`), if they are scaled
    their decimal numbers as text. `said`, `source` and `server` (int64[n]) and, by row, `labels` are as in
    `Sample`, where the protocol has them; an image does without.
    """

    value: Floats
    quality: Bytes
    reason: Bytes
    at: Nanoseconds
    exact: Mapping[int, int | str] = field(default_factory=lambda: _NOTHING)
    said: Mapping[int, str] = field(default_factory=lambda: _SILENCE)
    source: Nanoseconds | None = None
    server: Nanoseconds | None = None
    labels: Mapping[int, str] = field(default_factory=lambda: _SILENCE)

    @classmethod
    def bad(cls, n: int, reason: Reason, at: int) -> "Columns":
        """Return n rows that say nothing but why."""
        return cls(
            np.full(n, np.nan),
            np.full(n, Quality.BAD, np.uint8),
            np.full(n, reason, np.uint8),
            np.full(n, at, np.int64),
        )

    def __getitem__(self, row: int) -> Sample:
        return Sample(
            float(self.value[row]),
            Quality(int(self.quality[row])),
            Reason(int(self.reason[row])),
            int(self.at[row]),
            self.exact.get(row),
            self.said.get(row, ""),
            0 if self.source is None else int(self.source[row]),
            0 if self.server is None else int(self.server[row]),
            self.labels.get(row, ""),
        )

    def __len__(self) -> int:
        return len(self.value)

    def take(self, rows: npt.NDArray[np.intp]) -> "Columns":
        """Return some rows of an image, in this order."""
        return Columns(self.value[rows], self.quality[rows], self.reason[rows], self.at[rows])

    def part(self, rows: slice) -> "Columns":
        """Return some neighbouring rows, without a copy."""
        first, last = rows.start, rows.stop
        return Columns(
            self.value[rows],
            self.quality[rows],
            self.reason[rows],
            self.at[rows],
            _of_rows(self.exact, first, last) if self.exact else _NOTHING,
            _of_rows(self.said, first, last) if self.said else _SILENCE,
            None if self.source is None else self.source[rows],
            None if self.server is None else self.server[rows],
            _of_rows(self.labels, first, last) if self.labels else _SILENCE,
        )

    def frozen(self) -> "Columns":
        """Return a copy that nobody can change: a process image."""
        columns = (self.value.copy(), self.quality.copy(), self.reason.copy(), self.at.copy())
        for column in columns:
            column.flags.writeable = False
        return Columns(*columns, MappingProxyType(dict(self.exact)))


def _of_rows(said: Mapping[int, T], first: int, last: int) -> dict[int, T]:
    return {row - first: word for row, word in said.items() if first <= row < last}


class Grader:
    """Turns raw values of one scan class into engineering values with a quality. Planned once."""

    def __init__(self, tags: list[Tag]) -> None:
        self.scale = np.array([tag.scale for tag in tags])
        self.offset = np.array([tag.offset for tag in tags])
        self.low = np.array([tag.low for tag in tags])
        self.high = np.array([tag.high for tag in tags])
        # Finite, so that a value between them is: nearly every scan needs no look at its rows.
        self._least = np.maximum(self.low, -_LARGEST)
        self._most = np.minimum(self.high, _LARGEST)
        self._scaled = (self.scale != 1) | (self.offset != 0)

    def grade(
        self,
        raw: Floats,
        reason: Bytes,
        at: int | Nanoseconds,
        exact: Mapping[int, int | str | Decimal] = _NOTHING,
    ) -> Columns:
        """Grade float64[n] of raw values, of which `exact` says what a float64 cannot.

        A row whose `reason` is not NONE came without a value and becomes BAD, except DEVICE_UNCERTAIN and
        ROUNDED, which keep their value. NaN and infinity become BAD, out of range becomes UNCERTAIN.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            value = raw * self.scale + self.offset
        when = np.full(len(value), at, np.int64)
        reason = reason.copy()
        if not reason.any() and ((value >= self._least) & (value <= self._most)).all():
            good = np.full(len(value), Quality.GOOD, np.uint8)
            return Columns(value, good, reason, when, self._stated(exact) if exact else _NOTHING)
        reason[~np.isfinite(value) & (reason == Reason.NONE)] = Reason.NOT_FINITE
        outside = ((value < self.low) | (value > self.high)) & (reason == Reason.NONE)
        reason[outside] = Reason.OUT_OF_RANGE
        kept = (reason == Reason.DEVICE_UNCERTAIN) | (reason == Reason.ROUNDED)
        uncertain = outside | (kept & np.isfinite(value))
        quality = np.where(reason == Reason.NONE, Quality.GOOD, Quality.BAD).astype(np.uint8)
        quality[uncertain] = Quality.UNCERTAIN
        value[quality == Quality.BAD] = np.nan
        said = self._stated({row: e for row, e in exact.items() if quality[row] != Quality.BAD})
        return Columns(value, quality, reason, when, said)

    def _stated(self, exact: Mapping[int, int | str | Decimal]) -> dict[int, int | str]:
        """Return what is exact in engineering units; nothing where 100 digits do not hold it."""
        stated = {}
        for row, number in exact.items():
            if isinstance(number, str) or (isinstance(number, int) and not self._scaled[row]):
                stated[row] = number
                continue
            scale, offset = Decimal(repr(float(self.scale[row]))), Decimal(repr(float(self.offset[row])))
            try:
                stated[row] = f"{_EXACTLY.normalize(_EXACTLY.fma(number, scale, offset)):f}"
            except Inexact:
                continue
        return stated
