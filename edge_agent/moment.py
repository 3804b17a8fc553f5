"""When something was: whether the wall clock is to be believed, and in which life of the box."""

import ctypes
from functools import cache
from pathlib import Path

_UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2)."""
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


def boot_id() -> str:
    """Return the kernel's name for this life of the box, as random(4) has it: monotonic times are of one."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
