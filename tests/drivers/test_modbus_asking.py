"""A scan and Modbus devices that need no task to be read, in virtual time."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from memory_line import Plant, link_to, now, tags, unit_on

from edge_agent.asking import Asking, ScanClass
from edge_agent.bugs import end_on_bug
from edge_agent.core.tags import Reason
from edge_agent.device import Device, Written
from edge_agent.table import Table

PERIOD, WAITED = 0.1, 0.04


@dataclass
class Fleet:
    """Devices with a connection and two registers each, and how often a task was needed."""

    devices: list[Device]
    plants: list[Plant]
    asking: Asking
    table: Table
    tasks: list[str] = field(default_factory=list)

    async def cycle(self) -> float:
        """Read once; how long it took."""
        began = now()
        await self.asking.read(began + WAITED)
        return now() - began

    def values(self) -> list[float]:
        return self.table.latest.value.tolist()

    def reasons(self) -> list[Reason]:
        return [Reason(reason) for reason in self.table.latest.reason[::2].tolist()]


@asynccontextmanager
async def fleet(plants: list[Plant]) -> AsyncIterator[Fleet]:
    async with asyncio.TaskGroup() as group:
        devices = [Device(f"d{n}", unit_on(link_to(plant), 1)) for n, plant in enumerate(plants)]
        table = Table(np.full(2 * len(plants), 10**9))
        classes = [
            ScanClass(device, device.plan(tags(1, (0, 1))), slice(2 * n, 2 * n + 2))
            for n, device in enumerate(devices)
        ]
        made: list[str] = []

        class Counted:
            def create_task(self, coro: object) -> "asyncio.Task[None]":
                made.append(str(coro))
                return group.create_task(coro)  # type: ignore[arg-type]

        keeping = [group.create_task(device.run()) for device in devices]
        await asyncio.sleep(0.05)
        yield Fleet(devices, plants, Asking(classes, table, Counted()), table, made)
        for task in keeping:
            task.cancel()
        for device in devices:
            await device.close()


async def test_devices_that_answer_are_read_in_one_wait_and_without_a_task() -> None:
    async with fleet([Plant() for _ in range(20)]) as all_:
        for _ in range(5):
            assert await all_.cycle() == pytest.approx(0.01, abs=1e-4)
            assert all_.values() == [1000, 1001] * 20
            await asyncio.sleep(PERIOD)
        assert all_.tasks == []
        assert [device.reads for device in all_.devices] == [5] * 20


async def test_one_that_is_late_is_in_the_table_when_it_comes() -> None:
    late = Plant(delays={1: lambda n: 0.01 if n == 0 else 0.3})
    async with fleet([Plant(), late]) as all_:
        await all_.cycle()
        all_.table.spoil(slice(2, 4), Reason.STALE, 0)
        assert await all_.cycle() == pytest.approx(WAITED, abs=1e-4)
        assert all_.reasons() == [Reason.NONE, Reason.STALE]
        await all_.cycle()
        assert len(late.requests) == 2, "it is not asked again before it has answered"
        await asyncio.sleep(0.3)
        assert all_.reasons() == [Reason.NONE] * 2
        assert all_.values() == [1000, 1001] * 2


async def test_one_that_falls_silent_is_waited_for_once_and_then_bad() -> None:
    silent = Plant(delays={1: lambda n: 0.01 if n == 0 else None})
    async with fleet([silent, Plant()]) as all_:
        await all_.cycle()
        took = []
        for _ in range(20):
            took.append(await all_.cycle())
            await asyncio.sleep(PERIOD - took[-1])
        assert all_.reasons() == [Reason.TIMEOUT, Reason.NONE]
        assert np.isnan(all_.values()[:2]).all()
        assert max(took[10:]) == pytest.approx(0.01, abs=1e-4)


async def test_one_that_is_silent_is_asked_when_the_others_have_answered() -> None:
    silent, good = Plant(delays={1: lambda n: 0.01 if n == 0 else None}), Plant()
    async with fleet([silent, good]) as all_:
        for _ in range(40):
            await all_.cycle()
            await asyncio.sleep(PERIOD - 0.01)
        asked = [r.at for r in silent.requests[2:] if r.pdu[4] == 2]  # one register is a knock
        assert asked
        answered = [r.at + 0.01 for r in good.requests]
        assert all(min(abs(at - one) for one in answered) < 1e-3 for at in asked)


async def test_a_device_without_a_link_is_bad_at_once() -> None:
    async with fleet([Plant(absent=True)]) as all_:
        assert await all_.cycle() == 0
        assert all_.reasons() == [Reason.NO_LINK]
        assert all_.tasks == []


async def test_devices_without_a_link_take_no_time_from_those_that_answer() -> None:
    async with fleet([Plant(absent=True), Plant(), Plant(absent=True)]) as all_:
        table, told = all_.table, list[float]()
        spoil = table.spoil
        table.spoil = lambda *args: (told.append(now()), spoil(*args))[1]  # type: ignore[method-assign]
        for _ in range(3):
            await all_.cycle()
            assert all_.reasons() == [Reason.NO_LINK, Reason.NONE, Reason.NO_LINK]
            assert told == [now()] * 2, "when the answer was there, not before"
            told.clear()
            await asyncio.sleep(PERIOD)


async def test_a_write_goes_between_two_requests_of_a_read() -> None:
    plant = Plant()
    device = Device("d", unit_on(link_to(plant), 1))
    plan, outputs = device.plan(tags(1, range(0, 500, 50))), device.declare(tags(1, (7,)))
    keeping = asyncio.create_task(device.run())
    await asyncio.sleep(0.1)
    before, ended = len(plant.requests), list[Reason]()
    assert device.begin(plan, ended.append)
    await asyncio.sleep(0.025)
    assert (await device.write(outputs, [1007.0]))[0] is Written.VERIFIED
    assert ended == [], "the read goes on"
    await asyncio.sleep(0.2)
    assert ended == [Reason.NONE]
    assert device.columns(plan).value.tolist() == [1000.0 + n for n in range(0, 500, 50)]
    assert [r.pdu[0] for r in plant.requests[before:]] == [3, 3, 3, 16, *[3] * 8]
    gaps = [b.at - a.at for a, b in itertools.pairwise(plant.requests[before:])]
    assert min(gaps) >= 0.0099, "one request is in flight"
    keeping.cancel()
    await asyncio.wait([keeping])
    await device.close()


async def test_closing_a_device_ends_the_read_that_is_under_way() -> None:
    async with fleet([Plant(delays={1: lambda _: None})]) as all_:
        reading = asyncio.create_task(all_.cycle())
        await asyncio.sleep(0.01)
        await all_.devices[0].close()
        await reading
        assert all_.reasons() == [Reason.NO_LINK]


async def test_a_bug_in_what_a_reply_sets_off_ends_everything() -> None:
    async def broken() -> None:
        async with fleet([Plant()]) as all_, asyncio.TaskGroup() as group:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(end_on_bug(group))
            try:
                all_.devices[0].round_trips = None  # type: ignore[assignment]
                await all_.cycle()
            finally:
                loop.set_exception_handler(None)

    with pytest.raises(ExceptionGroup) as ended:
        await broken()
    assert ended.group_contains(AttributeError)
