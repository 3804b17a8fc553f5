"""The state folder: may we write there, is there room, and how long until a row is really on the disk."""

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

import numpy as np

from edge_agent import filesystem
from edge_agent.doctor.finding import Finding, bad, warn, well

SYNCS = 100
ENOUGH = 5.0
"""Seconds after which no further sync is measured."""
SLOW, TOO_SLOW = 0.1, 1.0
"""Seconds of the 99th percentile. History is committed once a second, and an alarm waits for its row."""
LITTLE, TOO_LITTLE = 1_000_000_000, 100_000_000
"""Bytes."""
_VOLATILE = ("tmpfs", "ramfs")


def look(state: Path) -> list[Finding]:
    """Look at the state folder. Leaves nothing behind."""
    found = [access(state)]
    if state.is_dir():
        found.append(space(shutil.disk_usage(state).free))
    if state.is_dir() and os.access(state, os.W_OK | os.X_OK):
        found.append(_syncs(state))
    return found


def access(state: Path) -> Finding:
    """Judge whether this user can keep its state there, and only this user."""
    item, user = "state folder", f"user {os.geteuid()}"
    try:
        seen = state.stat()
    except FileNotFoundError:
        return bad(item, f"{state} does not exist", f"make it, and give it to {user}")
    except OSError as error:
        return bad(item, f"{state}: {error.strerror}", f"let {user} into the folders above it")
    if not stat.S_ISDIR(seen.st_mode):
        return bad(item, f"{state} is no folder", "move the file away or name another folder")
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        return bad(item, f"{user} cannot write to {state}", f"chown it to {user}, or run as its owner")
    return _usable(item, state, seen)


def _usable(item: str, state: Path, seen: os.stat_result) -> Finding:
    kind = filesystem.kind_of(state)
    if kind in _VOLATILE:
        return warn(item, f"{state} is on {kind}", "history is lost at every reboot: use a folder on a disk")
    if kind in filesystem.NETWORK:
        todo = "use a local disk: locks are unsafe there, and without the network nothing is kept or audited"
        return warn(item, f"{state} is on {kind}, over the network", todo)
    if seen.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(seen.st_mode)
        return warn(item, f"{state} is open to others ({mode:o})", f"chmod 700 {state}")
    return well(item, f"{state} on {kind or 'a file system without a name'}, this user's alone")


def space(free: int) -> Finding:
    """Judge the free bytes."""
    says = f"{free / 1e9:.1f} GB free"
    todo = "make room: inference goes on without it, but history is lost"
    if free < TOO_LITTLE:
        return bad("disk space", says, todo)
    return warn("disk space", says, todo) if free < LITTLE else well("disk space", says)


def fsync(seconds: list[float]) -> Finding:
    """Judge the times of appending 4096 bytes and waiting until they are on the disk."""
    p50, p99 = np.percentile(seconds, [50, 99])
    says = f"p50 {1e3 * p50:.2f} ms, p99 {1e3 * p99:.2f} ms, {len(seconds)} times"
    todo = "an alarm is told only once it is on the disk: use a better disk, or one with less other work"
    if p99 > TOO_SLOW:
        return bad("fsync", says, todo)
    return warn("fsync", says, todo) if p99 > SLOW else well("fsync", says)


def _syncs(state: Path) -> Finding:
    times: list[float] = []
    try:
        with tempfile.TemporaryFile(dir=state) as file:
            until = time.monotonic() + ENOUGH
            while len(times) < SYNCS and time.monotonic() < until:
                began = time.perf_counter()
                os.write(file.fileno(), bytes(4096))
                os.fsync(file.fileno())
                times.append(time.perf_counter() - began)
    except OSError as error:
        return bad("fsync", f"{state}: {error.strerror}", "history cannot be kept here: look at the disk")
    return fsync(times)
