"""Files that a power cut leaves whole: with their old content or their new, never with a part of one."""

import os
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """Put `data` at `path`; once this returns it is there after a power cut, too. Raises OSError.

    What root puts into another user's folder becomes that user's: the service has to change it later.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            _hand_over(path.parent, file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def folder(path: Path) -> None:
    """Make a folder and those above it that are missing. Raises OSError."""
    if path.is_dir():
        return
    folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    _hand_over(path.parent, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _hand_over(owned: Path, made: int | Path) -> None:
    if os.geteuid() == 0:
        owner = owned.stat()
        os.chown(made, owner.st_uid, owner.st_gid)
