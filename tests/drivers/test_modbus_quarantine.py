"""A device with holes behind the whole driver and link, in virtual time."""

import asyncio
import logging

import pytest
from memory_line import Plant, link_to, now, tags, unit_on

from edge_agent.core.quarantine import EXTRA
from edge_agent.core.tags import Quality, Reason


class Holey(Plant):
    """Every request that touches one of `holes` gets exception 2."""

    def __init__(self, *holes: int) -> None:
        super().__init__()
        self.holes = set(holes)

    def reply(self, unit: int, pdu: bytes, frame: bytes) -> bytes:
        start, count = int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        if self.holes.isdisjoint(range(start, start + count)):
            return super().reply(unit, pdu, frame)
        return frame[:4] + bytes((0, 3, unit, pdu[0] | 0x80, 2))


async def test_neighbours_keep_their_period_and_a_hole_that_is_filled_is_found_within_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    plant = Holey(41, 77)
    driver = unit_on(link_to(plant), 1)
    plan = driver.plan_read(tags(1, range(100)))
    await driver.connect()
    for second in range(300):
        before = len(plant.requests)
        columns = await driver.read(plan)
        assert len(plant.requests) - before <= (3 if second > 5 else 2 * EXTRA) + EXTRA
        bad = {row for row in range(100) if columns[row].quality is Quality.BAD}
        assert bad == {41, 77} or second < 5
        assert all(columns[row].value == 1000 + row for row in range(100) if row not in bad)
        await asyncio.sleep(1)
    assert {columns[row].reason for row in (41, 77)} == {Reason.QUARANTINED}
    plant.holes.clear()
    filled = now()
    while (columns.quality != Quality.GOOD).any():
        columns = await driver.read(plan)
        await asyncio.sleep(1)
    assert now() - filled < 62
    before = len(plant.requests)
    await driver.read(plan)
    await driver.read(plan)
    assert [request.pdu[1:] for request in plant.requests[before:]] == [b"\0\0\0\x64"] * 2
    await driver.close()
    places = ["holding 41 (u1.h41)", "holding 77 (u1.h77)"]
    assert caplog.messages == [
        *(f"refused, BAD, and asked again ever more rarely: {place}" for place in places),
        *(f"answered again: {place}" for place in places),
    ]
