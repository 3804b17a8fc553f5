"""Bisecting and quarantine as tables of cycles, against a device with holes."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.core.quarantine import EXTRA, LAST_RETRY
from edge_agent.core.readcycle import ReadCycle
from edge_agent.core.readplan import Block, Limits
from edge_agent.core.registers import Address
from edge_agent.core.tags import Columns, Quality, Reason, Tag

SECOND = 1_000_000_000


class Device:
    """Registers that hold their own address; a request that `refuses` gets exception 2."""

    def __init__(self, refuses: Callable[[Block], bool], code: int = 2) -> None:
        self.refuses, self.code = refuses, code
        self.asked: list[tuple[int, int]] = []

    def cycle(self, reading: ReadCycle, now: int) -> Columns:
        self.asked = []
        parts = reading.begin(now)
        while parts:
            for part in parts:
                block = part.block
                self.asked.append((block.start, block.count))
                if self.refuses(block):
                    reading.refused(part, self.code)
                else:
                    data = np.arange(block.start, block.stop).astype(">u2").tobytes()
                    reading.answered(part, data)
            parts = reading.more()
        return reading.columns(now)


def holes(*addresses: int) -> Callable[[Block], bool]:
    return lambda block: any(block.start <= hole < block.stop for hole in addresses)


def reading_of(offsets: list[int], max_gap: int = 4) -> ReadCycle:
    addresses = [Address(table="holding", offset=offset, type="uint16") for offset in offsets]
    tags = [Tag(name=f"d.t{a.offset}", address=a) for a in addresses]
    return ReadCycle(tags, Limits(max_gap))


def reasons(columns: Columns) -> list[Reason]:
    return [columns[row].reason for row in range(len(columns))]


def test_a_sound_device_is_asked_the_planned_requests_and_nothing_else() -> None:
    reading, device = reading_of(list(range(100))), Device(holes())
    for second in range(3):
        columns = device.cycle(reading, second * SECOND)
        assert columns.value.tolist() == list(range(100))
        assert device.asked == [(0, 100)]
    assert reading.news() == []


def test_one_bad_address_is_found_and_its_neighbours_go_on_in_two_requests() -> None:
    reading, device = reading_of(list(range(100))), Device(holes(37))
    for second in range(4):
        columns = device.cycle(reading, second * SECOND)
        assert len(device.asked) <= 1 + 2 * EXTRA
    assert device.asked == [(0, 37), (38, 62)]
    assert np.flatnonzero(columns.quality == Quality.BAD).tolist() == [37]
    assert columns[37].reason is Reason.QUARANTINED
    assert reading.quarantined == ["d.t37"]
    assert reading.news() == ["refused, BAD, and asked again ever more rarely: holding 37 (d.t37)"]


def test_an_address_that_answers_again_comes_back_and_the_block_is_whole_again() -> None:
    reading, device = reading_of(list(range(100))), Device(holes(37))
    for second in range(5):
        device.cycle(reading, second * SECOND)
    reading.news()
    device.refuses = holes()
    assert reasons(device.cycle(reading, 5 * SECOND - 1))[37] is Reason.QUARANTINED
    columns = device.cycle(reading, 6 * SECOND)
    assert columns[37].value == 37
    assert reading.news() == ["answered again: holding 37 (d.t37)"]
    device.cycle(reading, 7 * SECOND)
    assert device.asked == [(0, 100)]


def test_a_bad_address_is_asked_again_ever_more_rarely_at_last_once_a_minute() -> None:
    reading, device = reading_of([10, 11]), Device(holes(10))
    asked = []
    for second in range(200):
        device.cycle(reading, second * SECOND)
        asked += [second for start, count in device.asked if (start, count) == (10, 1)]
    assert asked == [0, 5, 15, 35, 75, 135, 195]
    assert len(reading.news()) == 1


def test_a_hole_in_a_gap_costs_no_value() -> None:
    reading, device = reading_of([0, 1, 4, 5]), Device(holes(2))
    for second in range(5):
        columns = device.cycle(reading, second * SECOND)
    assert device.asked == [(0, 2), (4, 2)]
    assert columns.value.tolist() == [0, 1, 4, 5]
    assert reading.news() == []


def test_a_device_that_takes_no_long_request_is_asked_in_shorter_ones() -> None:
    reading, device = reading_of(list(range(100))), Device(lambda block: block.count > 30, code=3)
    for second in range(3):
        columns = device.cycle(reading, second * SECOND)
    assert columns.value.tolist() == list(range(100))
    assert device.asked == [(0, 25), (25, 25), (50, 25), (75, 25)]


def test_a_device_that_refuses_for_another_reason_is_asked_the_same_again() -> None:
    reading, device = reading_of(list(range(100))), Device(lambda _: True, code=6)
    for second in range(3):
        columns = device.cycle(reading, second * SECOND)
        assert device.asked == [(0, 100)]
        assert set(reasons(columns)) == {Reason.DEVICE_REFUSED}


def test_a_table_that_is_not_there_is_given_up_a_few_requests_a_cycle() -> None:
    reading, device = reading_of(list(range(0, 600, 2)), max_gap=2), Device(lambda _: True)
    planned = len(reading.begin(0))
    for second in range(200):
        columns = device.cycle(reading, second)
        assert len(device.asked) <= planned + EXTRA
        assert (columns.quality == Quality.BAD).all()
    assert device.asked == []
    assert len(reading.quarantined) == 300
    device.cycle(reading, LAST_RETRY * 2)
    assert len(device.asked) == 1, "one that is refused stands for the others of this cycle"


@given(
    offsets=st.lists(st.integers(0, 300), min_size=1, max_size=60, unique=True),
    bad=st.sets(st.integers(0, 300), max_size=6),
    longest=st.integers(1, 125),
)
def test_every_value_is_told_or_refused_and_in_the_end_only_the_bad_are_missing(
    offsets: list[int], bad: set[int], longest: int
) -> None:
    refuses = holes(*bad)
    device = Device(lambda block: block.count > longest or refuses(block))
    reading = reading_of(offsets)
    for second in range(50):
        columns = device.cycle(reading, second * SECOND)
        for row, offset in enumerate(offsets):
            assert (columns[row].quality is Quality.BAD) or (columns[row].value == offset)
            assert offset not in bad or columns[row].quality is Quality.BAD
    assert [offset for row, offset in enumerate(offsets) if columns[row].quality is Quality.BAD] == [
        offset for offset in offsets if offset in bad
    ]


@settings(max_examples=20)
@given(
    offsets=st.lists(st.integers(0, 120), min_size=1, max_size=40, unique=True),
    changes=st.lists(st.sets(st.integers(0, 120), max_size=8), min_size=1, max_size=4),
)
def test_holes_that_come_and_go_are_followed(offsets: list[int], changes: list[set[int]]) -> None:
    cycle, device = reading_of(offsets), Device(holes())
    now = 0
    for bad in changes:
        device.refuses = holes(*bad)
        for _ in range(150):
            now += SECOND
            columns = device.cycle(cycle, now)
            told = [columns[row].value == offset for row, offset in enumerate(offsets)]
            assert all(known or columns[row].quality is Quality.BAD for row, known in enumerate(told))
            assert not any(known for offset, known in zip(offsets, told, strict=True) if offset in bad)
        assert told == [offset not in bad for offset in offsets]
        assert cycle.quarantined == [] or set(cycle.quarantined) == {f"d.t{o}" for o in bad & set(offsets)}
    device.refuses = holes()
    for _ in range(150):
        now += SECOND
        device.cycle(cycle, now)
    assert cycle.quarantined == []


def test_many_addresses_are_told_in_one_sentence() -> None:
    cycle = reading_of(list(range(0, 200, 10)), max_gap=0)
    Device(lambda _: True).cycle(cycle, 0)
    (sentence,) = cycle.news()
    assert sentence.endswith("holding 60 (d.t60), holding 70 (d.t70) and 12 more")


def test_a_value_whose_scale_factor_is_refused_is_refused_too() -> None:
    factor = Address(table="holding", offset=9, type="int16")
    scaled = Address(table="holding", offset=1, type="int16", factor=factor)
    plain = Address(table="holding", offset=2, type="int16")
    tags = [Tag(name="d.scaled", address=scaled), Tag(name="d.plain", address=plain)]
    reading = ReadCycle(tags, Limits(max_gap=0))
    columns = Device(holes(9)).cycle(reading, 0)
    assert reasons(columns) == [Reason.QUARANTINED, Reason.NONE]
