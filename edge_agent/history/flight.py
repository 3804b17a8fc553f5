"""The flight recorder: every process image that machines took, bit for bit, in a ring of files.

The scan hands its frozen image over once a cycle, which costs a copy. A thread of its own packs some
seconds of images into a block and syncs it to the disk, so that neither a slow disk nor the history
waits for it. `read_flight` gives back what the scan saw.
"""

import contextlib
import errno
import logging
import os
import threading
import time
import uuid
import zlib
from pathlib import Path

import msgspec
import numpy as np

from edge_agent import durable
from edge_agent.history import segments
from edge_agent.history.blocks import Block, Layout, Thought, pack, thoughts
from edge_agent.history.reading import read_flight
from edge_agent.history.ring import Ring, Segment
from edge_agent.history.segments import Frame
from edge_agent.history.track import Track
from edge_agent.history.turns import Turns
from edge_agent.moment import boot_id

__all__ = ["Block", "FlightRecorder", "Layout", "Thought", "Track", "read_flight", "thoughts"]

log = logging.getLogger(__name__)

FOLDER = "flight"
LONGEST_SEGMENT = 600 * 10**9
"""Running time in a file, in ns."""
AFTER = 300.0
"""Seconds after an alarm that are frozen as well."""
TURN = 1.0
"""Seconds between looks at what there is to write."""
HUNG = 60.0
"""Seconds after which a disk that does not answer is told of."""
STOP_DEADLINE = 5.0
SEGMENTS = 32
"""Files that the ring has at least, when it is full."""


class FlightRecorder:
    """Use between `open` and `close`. `size` and `floor` in bytes, `age` in seconds of running time."""

    def __init__(self, state: Path, size: int, age: float, floor: int) -> None:
        self.folder = state / FOLDER
        self._limits = size, age, floor
        self._run, self._boot = uuid.uuid4().hex, boot_id()
        self._tracks: list[Track] = []
        self._ring: Ring | None = None
        self._writing: dict[Track, tuple[Segment, int]] = {}
        self._alarm, self._stop = threading.Event(), threading.Event()
        self._frozen_until = 0.0
        self._thread = threading.Thread(target=self._write, name="flight", daemon=True)
        self._trouble, self._turns = "", Turns()
        self.written = 0
        self._lost = 0

    @property
    def lost(self) -> int:
        """Images that are not on the disk and will not be."""
        return self._lost + sum(track.lost for track in tuple(self._tracks))

    @property
    def trouble(self) -> str:
        """Why nothing is recorded at present, "" if all is well."""
        if self._turns.longer_than(HUNG) and not self._stop.is_set():
            return f"the disk has not answered for {HUNG:g} s"
        return self._trouble

    @property
    def hung(self) -> bool:
        """Whether the writer thread has ended or is stuck, see `Historian.hung`."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        return ended or self._turns.stuck(HUNG)

    def open(self) -> None:
        """Start the writer thread."""
        self._turns.begin()
        self._thread.start()

    def end(self) -> None:
        """Let the thread end with what there is. Waits for nothing."""
        for track in tuple(self._tracks):
            track.seal()
        self._stop.set()

    def close(self, seconds: float = STOP_DEADLINE) -> None:
        """Write what is there and end the thread, within these seconds."""
        self.end()
        self._thread.join(seconds)

    def track(self, tags: dict[str, int], groups: list[list[str]], period: float, config: str) -> Track:
        """Return the recording of one scan: its tags and their rows in the table, and its machines."""
        layout = Layout(
            tags=tuple(tags),
            groups=tuple(tuple(group) for group in groups),
            period=period,
            run=self._run,
            boot=self._boot,
            config=config,
        )
        track = Track(layout, np.array(list(tags.values()), np.intp))
        self._tracks.append(track)
        return track

    def freeze(self) -> None:
        """Keep the hour before this moment, and some minutes from now on, until last."""
        self._frozen_until = time.monotonic() + AFTER
        self._alarm.set()

    def _write(self) -> None:
        running = True
        while running:
            running = not self._stop.wait(TURN)
            self._turns.begin()
            for track in tuple(self._tracks):
                ended = track.ended
                while track.full:
                    self._keep(track, track.full.popleft())
                if ended:
                    self._forget(track)
            if self._alarm.is_set():
                self._alarm.clear()
                self._freeze()
        for track in tuple(self._tracks):
            self._forget(track)

    def _keep(self, track: Track, block: Block) -> None:
        try:
            self._append(track, block)
        except OSError as error:
            self._abandon(track)
            self._lost += len(block.tick)
            if not self._trouble:
                log.warning("flight recorder: %s: %s; nothing is recorded", self.folder, error.strerror)
            self._trouble = str(error.strerror)
            return
        if self._trouble:
            log.info("flight recorder: records again, %d images were lost", self.lost)
            self._trouble = ""

    def _append(self, track: Track, block: Block) -> None:
        """Write and sync one block. Raises OSError."""
        data = _frame(block).packed()
        kept = self._ring = self._ring or Ring(self.folder, *self._limits)
        if not kept.make_room(len(data), {s.number for s, _ in self._writing.values()}):
            raise OSError(errno.ENOSPC, "no room, and nothing older to drop")
        if track not in self._writing:
            self._begin(track, kept)
        segment, descriptor = self._writing[track]
        _write_all(descriptor, data, segment.size)
        os.fdatasync(descriptor)
        segment.size += len(data)
        segment.span += _span(block)
        self.written += len(data)
        if segment.span >= LONGEST_SEGMENT or segment.size >= self._limits[0] // SEGMENTS:
            del self._writing[track]
            os.close(descriptor)

    def _begin(self, track: Track, kept: Ring) -> None:
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        segment = kept.begin(track.layout.period, at, frozen=time.monotonic() < self._frozen_until)
        try:
            descriptor = os.open(segment.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError:
            kept.all.remove(segment)
            raise
        self._writing[track] = segment, descriptor
        layout = Frame(segments.LAYOUT, 0, 0, 0, zlib.compress(msgspec.msgpack.encode(track.layout)))
        data = layout.packed()
        _write_all(descriptor, data, 0)
        segment.size = len(data)
        durable.sync(self.folder)

    def _abandon(self, track: Track) -> None:
        """Leave a file that could not be written to; the next block begins another."""
        if track not in self._writing:
            return
        segment, descriptor = self._writing.pop(track)
        os.close(descriptor)
        if not segment.span and self._ring is not None:
            with contextlib.suppress(OSError):
                self._ring.forget(segment)

    def _forget(self, track: Track) -> None:
        self._tracks.remove(track)
        self._lost += track.lost
        if track in self._writing:
            os.close(self._writing.pop(track)[1])

    def _freeze(self) -> None:
        try:
            if self._ring is not None:
                self._ring.freeze()
        except OSError as error:
            log.warning(
                "flight recorder: %s: %s; the hour before an alarm may go", self.folder, error.strerror
            )


def _frame(block: Block) -> Frame:
    wall = block.wall.tolist() or [time.time_ns()]
    return Frame(segments.BLOCK, min(wall), max(wall), _span(block), pack(block))


def _span(block: Block) -> int:
    now = block.now
    return int(now[-1] - now[0] + block.layout.period * 1e9) if len(now) else 0


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], at + done)
