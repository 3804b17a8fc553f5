"""A block of the flight recorder: some seconds of process images as columns, packed bit for bit."""

import lzma
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.core.tags import Bytes, Columns, Floats, Nanoseconds, Reason

PRESET = 0
"""Of LZMA: a third smaller than zlib at its best, and twice as fast as that (docs/decisions/0019)."""

Machines = tuple[str, ...]
T = TypeVar("T", np.uint8, np.int64)


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What the columns of a recording are.

    `groups` are the machines that think together, by name. `period` is in seconds, `run` is one life of
    the agent's process, `boot` the kernel's boot id, `config` the SHA-256 of the configuration.
    """

    tags: tuple[str, ...]
    groups: tuple[Machines, ...]
    period: float
    run: str
    boot: str
    config: str
    version: int = 1


class Block(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """k images of n tags, in the order of `layout.tags`, and which machines took them.

    `tick` int64[k] of the scan, `now` int64[k] monotonic ns as the machines got it, `wall` int64[k] ns since
    1970. `value` float64[k, n], `quality` and `reason` uint8[k, n], `at` int64[k, n] as in `Columns`.

    `thought` int64[m, 3] has a row for each time that machines took an image: its tick, their place in
    `layout.groups`, and the `Reason` why their model gave no answer. An answer that came late stands in the
    block after its image's.
    """

    layout: Layout
    tick: Nanoseconds
    now: Nanoseconds
    wall: Nanoseconds
    value: Floats
    quality: Bytes
    reason: Bytes
    at: Nanoseconds
    thought: npt.NDArray[np.int64]

    def image(self, row: int) -> Columns:
        """Return one image."""
        return Columns(self.value[row], self.quality[row], self.reason[row], self.at[row])


class Thought(NamedTuple):
    """Machines that took an image at a tick; `now` is monotonic, `wall` since 1970, both in ns.

    `reason` is why no model answered.
    """

    machines: Machines
    tick: int
    now: int
    wall: int
    image: Columns
    reason: Reason


def thoughts(blocks: Iterator[Block]) -> Iterator[tuple[Layout, Thought]]:
    """Yield what the machines of one scan took, in the order in which it was judged.

    `blocks` are of one period. A thought whose image is not there, for it was recorded before them, is
    left out.
    """
    before: dict[int, tuple[Block, int]] = {}
    run = ""
    for block in blocks:
        if block.layout.run != run:
            before, run = {}, block.layout.run
        images = {int(tick): (block, row) for row, tick in enumerate(block.tick)}
        for tick, group, reason in block.thought.tolist():
            found = images.get(tick) or before.get(tick)
            if found:
                source, row = found
                machines = block.layout.groups[group]
                now, wall = int(source.now[row]), int(source.wall[row])
                yield block.layout, Thought(machines, tick, now, wall, source.image(row), Reason(reason))
        before = images


def pack(block: Block) -> bytes:
    """Return the columns of a block without its layout."""
    columns = [
        *(column.tobytes() for column in (block.tick, block.now, block.wall, block.thought)),
        # Tag by tag, because a tag resembles itself more than its neighbour.
        np.ascontiguousarray(block.value.T).tobytes(),
        *(part for matrix in (block.quality, block.reason, block.at) for part in _runs(matrix)),
    ]
    return lzma.compress(msgspec.msgpack.encode(columns), check=lzma.CHECK_NONE, preset=PRESET)


def unpack(layout: Layout, data: bytes) -> Block:
    """Return the block that was packed. Raises ValueError if it is none."""
    try:
        columns = msgspec.msgpack.decode(lzma.decompress(data), type=list[bytes])
        tick, now, wall, thought, value, *runs = columns
        n, k = len(layout.tags), len(tick) // 8
        return Block(
            layout=layout,
            tick=np.frombuffer(tick, np.int64),
            now=np.frombuffer(now, np.int64),
            wall=np.frombuffer(wall, np.int64),
            value=np.ascontiguousarray(np.frombuffer(value, np.float64).reshape(n, k).T),
            quality=_matrix(runs[0], runs[1], np.uint8, (k, n)),
            reason=_matrix(runs[2], runs[3], np.uint8, (k, n)),
            at=_matrix(runs[4], runs[5], np.int64, (k, n)),
            thought=np.frombuffer(thought, np.int64).reshape(-1, 3),
        )
    except (lzma.LZMAError, msgspec.DecodeError, IndexError) as error:
        raise ValueError(f"not a block: {error}") from error


def _runs(matrix: npt.NDArray[np.generic]) -> tuple[bytes, bytes]:
    """Return the columns that differ from the one on their left, and where they stand.

    The tags of one scan class have one time and mostly one quality.
    """
    differs = np.ones(matrix.shape[1], np.bool_)
    differs[1:] = (matrix[:, 1:] != matrix[:, :-1]).any(axis=0)
    starts = np.flatnonzero(differs)
    return starts.astype(np.int64).tobytes(), np.ascontiguousarray(matrix[:, starts].T).tobytes()


def _matrix(starts: bytes, columns: bytes, kind: type[T], shape: tuple[int, int]) -> npt.NDArray[T]:
    where = np.frombuffer(starts, np.int64)
    distinct = np.frombuffer(columns, kind).reshape(len(where), shape[0])
    lengths = np.diff(where, append=shape[1])
    return np.ascontiguousarray(np.repeat(distinct, lengths, axis=0).T)
