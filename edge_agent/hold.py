"""Holding the state folder: one agent at a time, and also on a disk that takes nothing."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from edge_agent.bundles.telling import LOCK

_NOTHING = {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO}


def takes_nothing(error: OSError) -> bool:
    """Whether an error means a disk that is read-only, full or broken: the agent works without it."""
    return error.errno in _NOTHING


def hold(state: Path) -> int:
    """Lock the state folder for this process and return the lock's descriptor. Raises OSError."""
    lock, writable = _opened(state)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise OSError(errno.EBUSY, "another agent is running on this state folder") from None
    if writable:
        os.truncate(lock, 0)
        with contextlib.suppress(OSError):  # a full disk
            os.write(lock, str(os.getpid()).encode())  # for whoever has something to tell us
    return lock


def _opened(state: Path) -> tuple[int, bool]:
    """Open the lock's file, or the folder itself where no file can be made."""
    try:
        return os.open(state / LOCK, os.O_CREAT | os.O_RDWR, 0o600), True
    except OSError as error:
        if not takes_nothing(error):
            raise
    try:
        return os.open(state / LOCK, os.O_RDONLY), False
    except FileNotFoundError:
        return os.open(state, os.O_RDONLY), False
