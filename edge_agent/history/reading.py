"""Reading what the flight recorder wrote, bit for bit, also while it writes."""

import logging
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_agent.history import ring, segments
from edge_agent.history.blocks import Block, Layout, unpack
from edge_agent.history.segments import Damaged, Frame, frames

log = logging.getLogger(__name__)

VERSION = 1


def read_flight(path: Path, since: float = -math.inf, until: float = math.inf) -> Iterator[Block]:
    """Yield the blocks with an image between two wall times, in seconds since 1970, the oldest first.

    `path` is one file or the recorder's folder; blocks of scans with different periods then alternate by
    file. What is damaged is told in the log and left out. Raises OSError, and ValueError for a file of a
    later version.
    """
    for file in ring.paths(path) if path.is_dir() else [path]:
        yield from _blocks(file, _ns(since), _ns(until))


def read_layouts(path: Path) -> Iterator[Layout]:
    """Yield what the files of a recorder's folder hold, the oldest first. Raises as `read_flight` does."""
    for file in ring.paths(path):
        with file.open("rb") as opened:
            frame = next(frames(opened, 0, 0), None)
        if isinstance(frame, Frame) and frame.kind == segments.LAYOUT:
            yield _layout(file, frame)


def _blocks(path: Path, since: int, until: int) -> Iterator[Block]:
    layout: Layout | None = None
    with path.open("rb") as file:
        for frame in frames(file, since, until):
            if isinstance(frame, Damaged):
                log.warning("%s", frame)
                if layout is None:
                    return
            elif frame.kind == segments.LAYOUT:
                layout = _layout(path, frame)
            elif layout is None:
                log.warning("%s: does not say what it holds; it is left out", path)
                return
            else:
                yield unpack(layout, frame.payload)


def _layout(path: Path, frame: Frame) -> Layout:
    layout = msgspec.msgpack.decode(zlib.decompress(frame.payload), type=Layout)
    if layout.version > VERSION:
        raise ValueError(f"{path}: of version {layout.version}, and this agent knows {VERSION}")
    return layout


def _ns(seconds: float) -> int:
    if math.isinf(seconds):
        return -(2**63) if seconds < 0 else 2**63 - 1
    return int(seconds * 1e9)
