"""Which files of the flight recorder are kept: a ring by size and by running time, and what alarms froze.

No clock decides: files are ordered by number, and age is the running time that younger files hold, so
that a wall clock that jumps, and an agent that is switched off, cost nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from edge_agent import durable
from edge_agent.history import segments

BEFORE = 3600 * 10**9
"""Running time, in ns, that an alarm freezes."""
FROZEN_SHARE = 0.5
"""Of the whole size. What alarms froze beyond it goes back into the ring, the oldest first."""


@dataclass(slots=True)
class Segment:
    """One file. `span` is the running time in it, in ns."""

    number: int
    period: str
    path: Path
    size: int = 0
    span: int = 0

    @property
    def frozen(self) -> bool:
        """Whether an alarm keeps it."""
        return self.path.name.endswith(segments.KEPT)


class Ring:
    """The files of one folder. Every method may raise OSError. `size` in bytes, `age` in seconds."""

    def __init__(self, folder: Path, size: int, age: float, floor: int) -> None:
        self._folder, self._size, self._age, self._floor = folder, size, int(age * 1e9), floor
        folder.mkdir(mode=0o700, exist_ok=True)
        self.all = sorted((_segment(path) for path in paths(folder)), key=lambda s: s.number)

    def begin(self, period: float, at: str, *, frozen: bool) -> Segment:
        """Return the next file of a period; `at` is the wall time for people. It is not made yet."""
        number = self.all[-1].number + 1 if self.all else 1
        name = f"{number:08d}-{period:g}s-{at}{segments.KEPT if frozen else segments.SUFFIX}"
        segment = Segment(number, f"{period:g}s", self._folder / name)
        self.all.append(segment)
        return segment

    def make_room(self, size: int, writing: set[int]) -> bool:
        """Drop the oldest until `size` more bytes fit, and the disk keeps its floor; return whether they do.

        Files by the numbers in `writing` stay, and frozen ones go last.
        """
        while not self._fits(size):
            going = [s for s in self.all if s.number not in writing]
            if not going:
                return False
            self._drop(next((s for s in going if not s.frozen), going[0]))
        for period in {s.period for s in self.all}:
            self._drop_aged(period, writing)
        return True

    def freeze(self) -> None:
        """Keep the last hour that ran, of every period, until last."""
        for period in {s.period for s in self.all}:
            held = 0
            for segment in reversed([s for s in self.all if s.period == period]):
                if held >= BEFORE:
                    break
                held += segment.span
                self._rename(segment, segments.KEPT)
        frozen = [s for s in self.all if s.frozen]
        while len(frozen) > 1 and sum(s.size for s in frozen) > FROZEN_SHARE * self._size:
            self._rename(frozen.pop(0), segments.SUFFIX)
        durable.sync(self._folder)

    def forget(self, segment: Segment) -> None:
        """Remove a file that holds nothing."""
        self.all.remove(segment)
        segment.path.unlink(missing_ok=True)

    def _fits(self, size: int) -> bool:
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        return free - size >= self._floor and sum(s.size for s in self.all) + size <= self._size

    def _drop(self, segment: Segment) -> None:
        segment.path.unlink(missing_ok=True)
        self.all.remove(segment)

    def _drop_aged(self, period: str, writing: set[int]) -> None:
        held = 0
        for segment in reversed([s for s in self.all if s.period == period]):
            if held > self._age and not segment.frozen and segment.number not in writing:
                self._drop(segment)
            held += segment.span

    def _rename(self, segment: Segment, suffix: str) -> None:
        stem = segment.path.name.removesuffix(segments.SUFFIX).removesuffix(".kept")
        path = segment.path.with_name(stem + suffix)
        if path != segment.path:
            segment.path = segment.path.rename(path)


def paths(folder: Path) -> list[Path]:
    """Return the files of a recording, the oldest first."""
    return sorted(p for p in folder.glob(f"*{segments.SUFFIX}") if p.name.split("-")[0].isdigit())


def _segment(path: Path) -> Segment:
    number, period, _ = path.name.split("-", 2)
    return Segment(int(number), period, path, path.stat().st_size, segments.span(path))
