"""The read plan against brute force, and within its limits."""

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.bustime import Cost, Line
from edge_agent.core.readplan import Block, Limits, Range, plan_blocks
from edge_agent.core.registers import BIT_TABLES, Address, Table

SIZES = {1: "uint16", 2: "float32", 4: "float64"}


def address(offset: int, count: int = 1, table: Table = "holding") -> Address:
    return Address(table=table, offset=offset, type=SIZES[count])


tables: st.SearchStrategy[Table] = st.sampled_from(["coil", "discrete", "input", "holding"])


@st.composite
def any_address(draw: st.DrawFn) -> Address:
    table = draw(tables)
    kind = "bool" if table in BIT_TABLES else draw(st.sampled_from(["bool", "uint16", "float32", "float64"]))
    bit = draw(st.integers(0, 15)) if kind == "bool" and table not in BIT_TABLES else None
    return Address(table=table, offset=draw(st.integers(0, 600)), type=kind, bit=bit)


ranges = st.builds(
    lambda table, first, length: Range(table, first, first + length),
    tables,
    st.integers(0, 600),
    st.integers(0, 20),
)


@given(
    addresses=st.lists(any_address(), min_size=1, max_size=60),
    max_gap=st.integers(0, 50),
    max_registers=st.integers(4, 125),
    max_bits=st.integers(1, 300),
    forbidden=st.lists(ranges, max_size=3),
    request_cost=st.floats(1e-5, 1),
)
def test_a_plan_covers_all_and_keeps_every_limit(
    addresses: list[Address],
    max_gap: int,
    max_registers: int,
    max_bits: int,
    forbidden: list[Range],
    request_cost: float,
) -> None:
    addresses = [
        a for a in addresses if not any(r.touches(a.table, a.offset, a.offset + a.count) for r in forbidden)
    ]
    cost = Cost(request_cost, 1e-3)
    limits = Limits(max_gap, max_registers, max_bits, tuple(forbidden), cost=cost)
    blocks = plan_blocks(addresses, limits)
    assert sorted(row for block in blocks for row in block.rows) == list(range(len(addresses)))
    for block in blocks:
        assert block.count <= (max_bits if block.table in BIT_TABLES else max_registers)
        assert not any(r.touches(block.table, block.start, block.stop) for r in forbidden)
        wanted = set[int]()
        for row in block.rows:
            a = addresses[row]
            assert a.table == block.table
            assert block.start <= a.offset
            assert a.offset + a.count <= block.stop
            wanted |= set(range(a.offset, a.offset + a.count))
        assert {block.start, block.stop - 1} <= wanted
        ordered = sorted(wanted)
        assert max((b - a - 1 for a, b in itertools.pairwise(ordered)), default=0) <= max_gap
        assert [s.start for s in block.spans] == sorted(s.start for s in block.spans)
        assert {row for span in block.spans for row in span.rows} == set(block.rows)


def partings(items: Sequence[Address]) -> Iterator[list[Sequence[Address]]]:
    for cuts in itertools.product([False, True], repeat=len(items) - 1):
        edges = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(items)]
        yield [items[a:b] for a, b in itertools.pairwise(edges)]


def length(part: Sequence[Address]) -> int:
    return max(a.offset + a.count for a in part) - part[0].offset


def price(part: Sequence[Address], max_gap: int, most: int, forbidden: Sequence[Range], cost: Cost) -> float:
    end = part[0].offset
    for a in part:
        gap = range(end, a.offset)
        if len(gap) > max_gap or any(r.first <= x <= r.last for x in gap for r in forbidden):
            return float("inf")
        end = max(end, a.offset + a.count)
    return float("inf") if length(part) > most else cost.request + cost.register * length(part)


@given(
    items=st.lists(st.tuples(st.integers(0, 12), st.sampled_from([1, 2, 4])), min_size=1, max_size=9),
    max_gap=st.integers(0, 12),
    most=st.integers(4, 40),
    forbidden=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=2),
    request_cost=st.floats(0, 20),
)
def test_no_plan_of_all_plans_costs_less(
    items: list[tuple[int, int]],
    max_gap: int,
    most: int,
    forbidden: list[tuple[int, int]],
    request_cost: float,
) -> None:
    at, addresses = 0, []
    for gap, count in items:
        addresses.append(address(at + gap, count))
        at += gap + count
    barred = [Range("holding", first, first + more) for first, more in forbidden]
    cost = Cost(request_cost, 1.0)
    blocks = plan_blocks(addresses, Limits(max_gap, most, forbidden=tuple(barred), cost=cost))
    ours = sum(cost.request + cost.register * block.count for block in blocks)
    least = min(
        sum(price(part, max_gap, most, barred, cost) for part in parts) for parts in partings(addresses)
    )
    assert ours == pytest.approx(least)


def lengths(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    return [(block.start, block.count) for block in blocks]


def test_values_that_overlap_share_a_request_and_are_never_split() -> None:
    addresses = [address(10, 4), address(11), address(12, 4), address(10)]
    assert lengths(plan_blocks(addresses, Limits(0))) == [(10, 6)]
    assert lengths(plan_blocks(addresses, Limits(0, 4))) == [(10, 4), (12, 4)]


@pytest.mark.parametrize(
    ("cost", "longest"),
    [
        (Line(9600).cost(), 12),
        (Line(9600).cost(turnaround=0.0), 10),
        (Line(115_200).cost(), 51),
        (Line(9600, 10, ascii=True).cost(), 8),
        (Line(9600).cost(delay=0.02), 19),
    ],
)
def test_a_gap_is_read_over_as_long_as_that_is_cheaper_than_a_request(cost: Cost, longest: int) -> None:
    for gap, requests in ((longest, 1), (longest + 1, 2)):
        assert len(plan_blocks([address(0), address(1 + gap)], Limits(124, cost=cost))) == requests


def test_a_forbidden_range_is_read_by_nobody() -> None:
    addresses = [address(98), address(123)]
    assert len(plan_blocks(addresses, Limits(30))) == 1
    assert len(plan_blocks(addresses, Limits(30, forbidden=(Range("holding", 100, 120),)))) == 2
    assert len(plan_blocks(addresses, Limits(30, forbidden=(Range("input", 100, 120),)))) == 1


def test_a_scale_factor_is_read_with_the_values_that_need_it() -> None:
    factor = address(50)
    values = [Address(table="holding", offset=i, type="int16", factor=factor) for i in range(2)]
    one, two = plan_blocks(values, Limits(0))
    assert (one.rows.tolist(), two.rows.tolist()) == ([0, 1], [0, 1])


def test_ten_thousand_scattered_tags_take_as_many_requests_as_they_must() -> None:
    addresses = [address(i * 6, 2) for i in range(10_000)]
    assert len(plan_blocks(addresses, Limits())) == -(-10_000 // 21)
