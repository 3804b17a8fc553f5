"""Blocks of images: what comes out is what went in, to the last bit."""

import asyncio

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from memory_site import FormulaModel, manifest, site

from edge_agent.history.blocks import Block, Layout, pack, thoughts, unpack
from edge_agent.history.track import Track
from edge_agent.scan import Scan

SHAPE = st.tuples(st.integers(0, 6), st.integers(1, 9))


def layout(n: int, run: str = "r") -> Layout:
    return Layout(
        tags=tuple(f"d.t{i}" for i in range(n)),
        groups=(("a", "b"), ("c",)),
        period=0.1,
        run=run,
        boot="b",
        config="c",
    )


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    k, n = draw(SHAPE)
    # Any 64 bits are a float64: every payload of NaN, and both zeros.
    bits = draw(arrays.arrays(np.uint64, (k, n)))
    m = draw(st.integers(0, 3))
    integers = arrays.arrays(np.int64, k)
    return Block(
        layout=layout(n),
        tick=draw(integers),
        now=draw(integers),
        wall=draw(integers),
        value=bits.view(np.float64),
        quality=draw(arrays.arrays(np.uint8, (k, n))),
        reason=draw(arrays.arrays(np.uint8, (k, n))),
        at=draw(arrays.arrays(np.int64, (k, n), elements=st.integers(0, 3))),
        thought=draw(arrays.arrays(np.int64, (m, 3))),
    )


@given(blocks())
def test_a_block_comes_back_bit_for_bit(block: Block) -> None:
    found = unpack(block.layout, pack(block))
    for name in ("tick", "now", "wall", "value", "quality", "reason", "at", "thought"):
        before, after = getattr(block, name), getattr(found, name)
        assert before.shape == after.shape, name
        assert before.tobytes() == after.tobytes(), name


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(ValueError, match="not a block"):
        unpack(layout(2), b"nothing")


def block_of(ticks: list[int], thought: list[tuple[int, int, int]], run: str = "r") -> Block:
    k = len(ticks)
    tick: npt.NDArray[np.int64] = np.array(ticks, np.int64)
    return Block(
        layout=layout(1, run),
        tick=tick,
        now=tick * 100,
        wall=tick * 100,
        value=tick.astype(np.float64).reshape(k, 1),
        quality=np.full((k, 1), 2, np.uint8),
        reason=np.zeros((k, 1), np.uint8),
        at=tick.reshape(k, 1),
        thought=np.array(thought, np.int64).reshape(-1, 3),
    )


def test_a_thought_finds_its_image_also_in_the_block_before() -> None:
    first = block_of([1, 2], [(1, 0, 0), (1, 1, 0), (2, 1, 0)])
    second = block_of([3], [(2, 0, 22), (3, 1, 0), (3, 0, 0)])
    found = [
        (t.machines, t.tick, t.now, float(t.image.value[0]), t.reason.name)
        for _, t in thoughts(iter([first, second]))
    ]
    assert found == [
        (("a", "b"), 1, 100, 1.0, "NONE"),
        (("c",), 1, 100, 1.0, "NONE"),
        (("c",), 2, 200, 2.0, "NONE"),
        (("a", "b"), 2, 200, 2.0, "MODEL_LATE"),
        (("c",), 3, 300, 3.0, "NONE"),
        (("a", "b"), 3, 300, 3.0, "NONE"),
    ]


def test_a_thought_of_another_life_of_the_process_is_not_mixed_in() -> None:
    found = list(thoughts(iter([block_of([7], []), block_of([1], [(7, 0, 0), (1, 0, 0)], "later")])))
    assert [t.tick for _, t in found] == [1]


async def test_a_scan_that_goes_on_by_another_configuration_begins_another_recording() -> None:
    before, after = (Track(layout(4, run), np.arange(4)) for run in ("before", "after"))
    async with site("a") as s:
        s.machine("a", "a", "a", FormulaModel(manifest()))
        s.scan.track = before
        s.start()
        successor = Scan(0.1, s.table, s.spawner)
        successor.classes, successor.groups, successor.track = s.scan.classes, s.scan.groups, after
        running = s.spawner.create_task(s.scan.run())
        await asyncio.sleep(0.55)
        await s.scan.adopt(successor)
        await asyncio.sleep(0.5)
        s.scan.stop()
        await running
    assert before.ended
    assert after.ended
    (first,), (second,) = before.full, after.full
    assert first.tick.tolist() == [0, 1, 2, 3, 4, 5]
    assert second.tick.tolist() == [6, 7, 8, 9, 10]
    assert [row[0] for row in first.thought.tolist()] == first.tick.tolist()
    assert [row[0] for row in second.thought.tolist()] == second.tick.tolist()
