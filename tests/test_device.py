"""A device kept connected, in virtual time: failures become data, and nothing is ever written late."""

import asyncio
import itertools
import logging
import math
from collections.abc import AsyncIterator, Sequence
from typing import Literal

import numpy as np
import pytest
from memory_driver import TIMEOUT, MemoryDriver, now, tag

from edge_agent.contact import ANSWERS, FIRST_RETRY, LAST_RETRY
from edge_agent.core.tags import Columns, Quality, Reason, Tag
from edge_agent.device import Device, Outputs, Written

INPUT, OUTPUTS = tag("d.in"), [tag("d.one"), tag("d.two")]


class Rig:
    def __init__(self) -> None:
        self.driver = MemoryDriver({"d.in": 7.0, "d.one": 0.0, "d.two": 0.0})
        self.device = Device("d", self.driver)
        self.plan = self.device.plan([INPUT])
        self.outputs: Outputs = self.device.declare(OUTPUTS)
        self.running: asyncio.Task[None] | None = None

    def start(self, *, absent: bool = False, silent: bool = False) -> None:
        self.driver.absent, self.driver.silent = absent, silent
        self.running = asyncio.create_task(self.device.run())

    async def connected(self) -> None:
        if self.running is None:
            self.start()
        while not self.driver.connected or not self.device.healthy:  # noqa: ASYNC110 - virtual time costs nothing
            await asyncio.sleep(0.01)

    async def value(self) -> tuple[float, Quality, Reason]:
        sample = (await self.device.read(self.plan, 1))[0]
        return sample.value, sample.quality, sample.reason

    async def write(self, values: Sequence[float]) -> Written:
        return (await self.device.write(self.outputs, values))[0]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    assert rig.running is not None
    rig.running.cancel()
    await asyncio.wait([rig.running])
    await rig.device.close()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{r.levelname} {r.getMessage()}" for r in caplog.records if r.name == "edge_agent.contact"]


async def bad(rig: Rig, reason: Reason) -> None:
    value, quality, why = await rig.value()
    assert math.isnan(value)
    assert (quality, why) == (Quality.BAD, reason)


async def test_retries_double_up_to_the_cap_with_jitter_below_it(rig: Rig) -> None:
    rig.start(absent=True)
    await asyncio.sleep(60)
    pauses = [b - a for a, b in itertools.pairwise(rig.driver.connects)]
    for attempt, pause in enumerate(pauses):
        longest = min(LAST_RETRY, FIRST_RETRY * 2**attempt)
        assert 0.5 * longest - 1e-6 <= pause <= longest + 1e-6
    late = pauses[-8:]
    assert max(late) > 0.55 * LAST_RETRY
    assert len({round(pause, 6) for pause in late}) == len(late), "no jitter"


async def test_what_only_people_can_mend_is_told_whatever_came_before_and_not_tried_at_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.start(absent=True)
    await asyncio.sleep(60)
    rig.driver.absent, rig.driver.distrusts = False, True
    rig.driver.connects.clear()
    await asyncio.sleep(1000)
    pauses = [b - a for a, b in itertools.pairwise(rig.driver.connects)]
    assert all(30 <= pause <= 60 for pause in pauses)
    assert [line.split(": ")[1].split(";")[0] for line in lines(caplog)] == [
        "Connection refused",
        "certificate refused",
    ]
    rig.driver.distrusts = False
    await rig.connected()


async def test_after_some_answers_the_first_retry_is_quick_again(rig: Rig) -> None:
    rig.start(absent=True)
    await asyncio.sleep(60)
    rig.driver.absent = False
    await rig.connected()
    for _ in range(ANSWERS):
        await rig.value()
    rig.driver.absent = True
    await rig.value()
    lost = now()
    rig.driver.absent = False
    await rig.connected()
    assert now() - lost <= FIRST_RETRY + 0.02


async def test_one_answer_is_enough_where_a_deadline_was_missed(rig: Rig) -> None:
    rig.start(absent=True)
    await asyncio.sleep(60)
    rig.driver.absent = False
    await rig.connected()
    rig.driver.silent = True
    await rig.value()
    lost = now()
    rig.driver.silent = False
    await rig.connected()
    assert now() - lost <= FIRST_RETRY + 0.02


class HangsUp(MemoryDriver):
    """It answers a few requests of each connection, and then closes it."""

    answers = 1

    async def connect(self) -> None:
        await super().connect()
        self.left = self.answers

    async def read(self, plan: tuple[Tag, ...]) -> Columns:
        found = await super().read(plan)
        self.left -= 1
        if self.left <= 0:
            asyncio.get_running_loop().call_soon(self.lose)
        return found


async def test_one_that_answers_once_and_hangs_up_is_tried_ever_more_rarely(rig: Rig) -> None:
    rig.device = Device("d", driver := HangsUp(rig.driver.values))
    driver.delay = 0.01
    rig.plan, rig.outputs, rig.driver = rig.device.plan([INPUT]), rig.device.declare(OUTPUTS), driver
    rig.start()
    await asyncio.sleep(60)
    assert 12 < len(driver.connects) < 36, "pauses grow to 5 s"
    driver.answers = ANSWERS + 1
    await asyncio.sleep(10)
    driver.connects.clear()
    for _ in range(100):
        await rig.value()
        await asyncio.sleep(0.1)
    pauses = [b - a for a, b in itertools.pairwise(driver.connects)]
    assert pauses
    assert max(pauses) < LAST_RETRY / 2, "one that answers many times is well in between"


async def test_a_link_that_is_down_answers_bad_at_once(rig: Rig) -> None:
    rig.start(absent=True)
    await asyncio.sleep(1)
    before = now()
    await bad(rig, Reason.NO_LINK)
    assert now() == before
    assert rig.driver.reads == []


async def test_one_line_when_it_breaks_and_one_when_it_answers(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await rig.connected()
    rig.driver.absent = True
    for _ in range(300):
        await rig.value()
        await rig.write([1.0, 2.0])
        await asyncio.sleep(0.1)
    rig.driver.absent = False
    await rig.connected()
    await rig.value()
    first, broke, again = lines(caplog)
    assert first == "INFO device d: answers"
    assert broke.startswith("WARNING device d: Connection reset by peer")
    assert again.startswith("INFO device d: answers after 3")


async def test_a_device_that_connects_but_does_not_answer_does_not_count_as_connected(rig: Rig) -> None:
    rig.start(silent=True)
    for _ in range(200):
        await asyncio.sleep(0.06)
        started = now()
        await bad(rig, Reason.TIMEOUT if now() >= TIMEOUT else Reason.NO_LINK)
        assert now() == started
        assert await rig.write([1.0, 2.0]) is Written.NOT_CONNECTED
    assert len(rig.driver.connects) < 10, "an accepted connection must not reset the pause"
    assert rig.driver.writes == []
    assert rig.device.healthy is False
    await bad(rig, Reason.TIMEOUT)


async def test_a_write_while_down_is_not_sent_later(rig: Rig) -> None:
    rig.start(absent=True)
    await asyncio.sleep(1)
    assert await rig.write([1.0, 2.0]) is Written.NOT_CONNECTED
    rig.driver.absent = False
    await rig.connected()
    await asyncio.sleep(30)
    assert rig.driver.writes == []
    assert rig.driver.values["d.one"] == 0.0


async def test_a_write_behind_a_read_that_dies_is_not_sent_either(rig: Rig) -> None:
    await rig.connected()
    rig.driver.silent = True
    reading = asyncio.create_task(rig.value())
    await asyncio.sleep(0.1)
    assert await rig.write([1.0, 2.0]) is Written.NOT_CONNECTED
    assert (await reading)[2] is Reason.TIMEOUT
    assert rig.driver.writes == []


async def test_a_request_that_is_cancelled_drops_the_connection(rig: Rig) -> None:
    await rig.connected()
    rig.driver.delay = 0.3
    for asked in (rig.value(), rig.write([1.0, 2.0])):
        await rig.connected()
        closes = rig.driver.closes
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asked
        assert rig.driver.closes == closes + 1
        assert not rig.driver.connected
        await bad(rig, Reason.NO_LINK)
        await asyncio.sleep(TIMEOUT)
    await rig.connected()
    assert (await rig.value())[0] == 7.0


async def test_a_write_is_verified_by_reading_it_back(rig: Rig) -> None:
    await rig.connected()
    assert await rig.write([3.0, 4.0]) is Written.VERIFIED
    assert rig.driver.writes[-1][1] == {"d.one": 3.0, "d.two": 4.0}


async def test_nan_that_stands_there_as_nan_is_verified(rig: Rig) -> None:
    await rig.connected()
    assert await rig.write([math.nan, 4.0]) is Written.VERIFIED


@pytest.mark.parametrize("lie", [{"d.one": 9.0}, {"d.two": math.nan}])
async def test_a_read_back_that_differs_is_a_mismatch(rig: Rig, lie: dict[str, float]) -> None:
    await rig.connected()
    rig.driver.tamper = lie
    outcome, detail = await rig.device.write(rig.outputs, [3.0, 4.0])
    assert outcome is Written.MISMATCH
    assert "wrote" in detail


async def test_a_refused_write_keeps_the_connection(rig: Rig) -> None:
    await rig.connected()
    rig.driver.refuses = True
    outcome, detail = await rig.device.write(rig.outputs, [3.0, 4.0])
    assert outcome is Written.REFUSED
    assert "illegal data address" in detail
    assert rig.driver.connected
    assert (await rig.value())[0] == 7.0
    assert len(rig.driver.connects) == 1


async def test_a_write_whose_answer_is_missing_is_unknown_and_not_repeated(rig: Rig) -> None:
    await rig.connected()
    rig.driver.silent = True
    assert await rig.write([3.0, 4.0]) is Written.UNKNOWN
    rig.driver.silent = False
    await rig.connected()
    await asyncio.sleep(10)
    assert len(rig.driver.writes) == 1


async def test_outputs_of_another_device_are_not_written(rig: Rig) -> None:
    await rig.connected()
    other = Device("e", MemoryDriver())
    with pytest.raises(AssertionError):
        await other.write(rig.outputs, [1.0, 2.0])


async def test_a_bug_in_a_driver_is_not_taken_for_a_dead_device(rig: Rig) -> None:
    await rig.connected()
    rig.driver.values["d.in"] = "seven"  # type: ignore[assignment]
    with pytest.raises((TypeError, ValueError, np.exceptions.DTypePromotionError)):
        await rig.value()


async def test_reads_and_writes_of_many_tasks_never_overlap(rig: Rig) -> None:
    await rig.connected()
    rig.driver.delay = 0.01
    await asyncio.gather(*(rig.value() if i % 2 else rig.write([float(i), 0.0]) for i in range(40)))
    assert len(rig.driver.writes) == 20


async def test_a_connection_that_ends_between_two_reads_is_made_again_before_the_next(rig: Rig) -> None:
    await rig.connected()
    assert (await rig.value())[0] == 7.0
    await asyncio.sleep(10)
    lost = now()
    rig.driver.lose()
    await bad(rig, Reason.NO_LINK)
    await asyncio.sleep(0.01)
    assert rig.driver.connects[-1] == lost
    assert (await rig.value())[0] == 7.0


async def test_a_connection_that_ends_under_a_read_is_told_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.connected()
    rig.driver.silent = True
    reading = asyncio.create_task(rig.value())
    await asyncio.sleep(0.1)
    rig.driver.lose()
    await reading
    assert [line.split(":")[0] for line in lines(caplog) if "BAD" in line] == ["WARNING device d"]
    assert rig.device.failures == 1


class Overlapping(MemoryDriver):
    """It takes a write while it reads."""

    overlaps: Literal[True] = True
    reading_takes = 0.4

    async def read(self, plan: tuple[Tag, ...]) -> Columns:
        if INPUT in plan:
            await asyncio.sleep(self.reading_takes)
        return await super().read(plan)

    def _mine(self) -> None:
        """Two requests in flight are fine."""


async def test_a_write_waits_for_no_read_where_the_driver_says_so(rig: Rig) -> None:
    rig.device = Device("d", driver := Overlapping(rig.driver.values))
    rig.plan, rig.outputs, rig.driver = rig.device.plan([INPUT]), rig.device.declare(OUTPUTS), driver
    await rig.connected()
    reading = asyncio.create_task(rig.value())
    await asyncio.sleep(0.1)
    began = now()
    assert await rig.write([1.0, 2.0]) is Written.VERIFIED
    assert now() == began
    assert (await reading)[0] == 7.0


async def test_a_link_that_breaks_under_both_is_made_anew_once_both_have_ended(
    rig: Rig,
) -> None:
    rig.device = Device("d", driver := Overlapping(rig.driver.values))
    rig.plan, rig.outputs, rig.driver = rig.device.plan([INPUT]), rig.device.declare(OUTPUTS), driver
    await rig.connected()
    connects = len(driver.connects)
    reading = asyncio.create_task(rig.value())
    await asyncio.sleep(0.1)
    driver.silent = True
    began = now()
    assert await rig.write([1.0, 2.0]) is Written.UNKNOWN
    driver.silent = False
    assert (await reading)[2] is Reason.TIMEOUT
    ended = now()
    await rig.connected()
    assert ended > began + TIMEOUT
    assert driver.connects[connects] >= ended
    assert (await rig.value())[0] == 7.0
