"""Files of the flight recorder: a layout and blocks, each framed with a checksum, only ever appended to.

A frame that a power cut tore, or that the disk spoilt, costs itself and nothing else.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

SUFFIX = ".flight"
KEPT = ".kept" + SUFFIX
"""Ending of what an alarm froze."""
LAYOUT, BLOCK = b"EAFL", b"EAFB"
LARGEST_FRAME = 64 * 1024**2
_TIMES = struct.Struct("<qqq")
_HEADER = struct.Struct("<4sII")


class Frame(NamedTuple):
    """`first` and `last` are the wall times of its images, in ns since 1970; `span` is in monotonic ns."""

    kind: bytes
    first: int
    last: int
    span: int
    payload: bytes = b""

    def packed(self) -> bytes:
        """Return its bytes in the file."""
        times = _TIMES.pack(self.first, self.last, self.span)
        checksum = zlib.crc32(self.payload, zlib.crc32(times))
        return _HEADER.pack(self.kind, len(self.payload), checksum) + times + self.payload


class Damaged(ValueError):
    """Something is not what was written."""


def frames(file: BinaryIO, since: int, until: int) -> Iterator[Frame | Damaged]:
    """Yield layouts, and the blocks with an image between two wall times, in ns since 1970.

    What is damaged is yielded as an error; nothing comes after a frame whose length is not known.
    """
    for place, kind, length, checksum, times in _headers(file):
        if kind not in (LAYOUT, BLOCK) or length > LARGEST_FRAME:
            yield Damaged(f"{file.name}: no frame at byte {place}; what follows is not read")
            return
        first, last, span = _TIMES.unpack(times)
        if kind == BLOCK and (last < since or first > until):
            file.seek(length, os.SEEK_CUR)
            continue
        payload = file.read(length)
        if len(payload) < length:
            yield Damaged(f"{file.name}: ends in the middle of a frame, at byte {place}")
        elif zlib.crc32(payload, zlib.crc32(times)) != checksum:
            yield Damaged(f"{file.name}: the frame at byte {place} is damaged; it is left out")
        else:
            yield Frame(kind, first, last, span, payload)


def span(path: Path) -> int:
    """Return how many ns of running time a file holds, as its frames say. Raises OSError."""
    total = 0
    with path.open("rb") as file:
        for _, kind, length, _, times in _headers(file):
            if kind not in (LAYOUT, BLOCK):
                break
            total += max(0, _TIMES.unpack(times)[2])
            file.seek(length, os.SEEK_CUR)
    return total


def _headers(file: BinaryIO) -> Iterator[tuple[int, bytes, int, int, bytes]]:
    """Yield place, kind, length, checksum and times of each frame; whoever takes them moves on behind it."""
    size = _HEADER.size + _TIMES.size
    while len(header := file.read(size)) == size:
        yield file.tell() - size, *_HEADER.unpack(header[: _HEADER.size]), header[_HEADER.size :]
