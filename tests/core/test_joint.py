"""Scan classes decoded as one have the columns that each of them has alone."""

import random

import numpy as np
import pytest
from test_codec import EVERYTHING

from edge_agent.core.joint import Joint
from edge_agent.core.readcycle import ReadCycle
from edge_agent.core.readplan import Limits
from edge_agent.core.registers import Address
from edge_agent.core.tags import Columns, Tag

COILS = [Address(table="coil", offset=n, type="bool") for n in range(11)]


def cycle_of(dice: random.Random, name: str) -> ReadCycle:
    addresses = dice.sample([*EVERYTHING, *COILS], dice.randrange(1, 40))
    scaled = [dice.choice([1.0, 0.1, -2.0]) for _ in addresses]
    tags = [
        Tag(name=f"{name}.{n}", address=address, scale=scale, high=1e4)
        for n, (address, scale) in enumerate(zip(addresses, scaled, strict=True))
    ]
    return ReadCycle(tags, Limits())


def fill(cycle: ReadCycle, data: random.Random) -> None:
    """Answer everything, or refuse it."""
    for part in cycle.begin(0):
        if data.random() < 0.1:
            cycle.refused(part, 4)
        else:
            cycle.answered(part, data.randbytes(part.block.size))


def same(ours: Columns, theirs: Columns) -> bool:
    columns = zip(
        (ours.value, ours.quality, ours.reason, ours.at),
        (theirs.value, theirs.quality, theirs.reason, theirs.at),
        strict=True,
    )
    return all(np.array_equal(a, b, equal_nan=True) for a, b in columns) and ours.exact == theirs.exact


def joined(parts: list[Columns]) -> Columns:
    """One after the other."""
    exact: dict[int, int | str] = {}
    ahead = 0
    for part in parts:
        exact |= {ahead + row: said for row, said in part.exact.items()}
        ahead += len(part)
    columns = zip(*((part.value, part.quality, part.reason, part.at) for part in parts), strict=True)
    value, quality, reason, at = (np.concatenate(column) for column in columns)
    return Columns(value, quality, reason, at, exact)


@pytest.mark.parametrize("seed", range(60))
def test_every_type_and_order_decodes_as_it_does_alone(seed: int) -> None:
    dice = random.Random(seed)
    names = [str(n) for n in range(dice.randrange(1, 6))]
    state = dice.getstate()
    alone = [cycle_of(dice, name) for name in names]
    dice.setstate(state)
    together = [cycle_of(dice, name) for name in names]
    joint = Joint(together)
    for turn in range(3):
        whole = sorted(dice.sample(range(len(names)), dice.randrange(1, len(names) + 1)))
        for n in whole:
            fill(alone[n], random.Random(turn * 100 + n))
            fill(together[n], random.Random(turn * 100 + n))
        found = joint.columns(whole, [1000 + n for n in whole])
        assert same(found, joined([alone[n].columns(1000 + n) for n in whole]))


def test_a_cycle_that_is_not_whole_may_stand_beside_one_that_is() -> None:
    tags = [
        Tag(name=f"t{n}", address=Address(table="holding", offset=200 * n, type="uint16")) for n in range(2)
    ]
    half, whole = ReadCycle(tags, Limits()), ReadCycle(tags, Limits())
    joint = Joint([half, whole])
    first, _ = half.begin(0)
    half.answered(first, b"\x00\x07")
    for part in whole.begin(0):
        whole.answered(part, b"\x00\x05")
    columns = joint.columns([1], [9])
    assert columns.value.tolist() == [5, 5]
    with pytest.raises(AssertionError, match="not settled"):
        joint.columns([0], [9])
