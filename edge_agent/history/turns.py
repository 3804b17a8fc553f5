"""The turns of a thread that writes to a disk: how long the present one takes, and who is to blame for it."""

import platform
import threading
import time
from pathlib import Path

_FUTEX = {"x86_64": ("202",), "aarch64": ("98",)}.get(platform.machine(), ("98", "202", "240", "422"))
"""Numbers of the system call in which a thread waits for another one of its process (futex(2))."""


class Turns:
    """Of one thread, which calls `begin`; all else may be called by others. Times are in seconds."""

    def __init__(self) -> None:
        self._began, self._thread = time.monotonic(), 0

    def begin(self) -> None:
        """Begin the next turn."""
        self._began, self._thread = time.monotonic(), threading.get_native_id()

    def longer_than(self, limit: float) -> bool:
        """Whether the present turn takes longer."""
        return time.monotonic() - self._began > limit

    def stuck(self, limit: float) -> bool:
        """Whether it takes longer by a fault of this process, which a restart can mend.

        A thread that the kernel holds waits for a disk: it would do so in another process, too.
        """
        return self.longer_than(limit) and not _held_by_the_kernel(self._thread)


def _held_by_the_kernel(thread: int) -> bool:
    """Whether a thread of this process is in a system call or a page fault, see proc_pid_syscall(5).

    One that runs, or waits for another thread, is not. True if the kernel does not say.
    """
    try:
        call = Path(f"/proc/self/task/{thread}/syscall").read_text(encoding="ascii").split()[0]
    except OSError:
        return True
    return call != "running" and call not in _FUTEX
