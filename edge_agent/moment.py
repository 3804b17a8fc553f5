"""When something was: whether the wall clock is right, in which life of the box, and whether it slept."""

import ctypes
import time
import uuid
from functools import cache
from pathlib import Path

_UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2)."""
SHORTEST_SLEEP = 50_000_000
"""Nanoseconds. The two clocks are read one after the other, and something may come between."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class _NtpTime(ctypes.Structure):
    """``struct ntptimeval`` of ntp_gettime(3); the error is in microseconds."""

    _fields_ = (
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("maximum_error", ctypes.c_long),
        ("rest", ctypes.c_long * 6),
    )


def synchronised() -> tuple[bool, float]:
    """Return whether the kernel holds the wall clock for right, and its bound of the error, in seconds."""
    answer = _NtpTime()
    state = _libc().ntp_gettime(ctypes.byref(answer))
    return state not in (-1, _UNSYNCHRONISED), answer.maximum_error / 1e6


@cache
def boot_id() -> str:
    """Return the kernel's name for this life of the box, as random(4) has it: monotonic times are of one.

    Where a sandbox hides it (`ProcSubset=pid`), each process has one of its own: its times are of no other.
    """
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def asleep() -> int:
    """Return how long the box has slept since its boot, in ns; a little less where something came between."""
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return boot - time.monotonic_ns()


class Suspend:
    """Notices that the box was suspended. No duration of the monotonic clock has the time of it."""

    def __init__(self) -> None:
        self._before = max(asleep() for _ in range(3))

    def since(self) -> int:
        """Return how long the box slept since it was last noticed, in ns."""
        slept = asleep()
        gone = slept - self._before
        if gone < SHORTEST_SLEEP:
            return 0
        self._before = slept
        return gone


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
