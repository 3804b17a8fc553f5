"""The usual read in few steps, beside the same read by the link's own rules, in virtual time."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_line import Plant, link_to, now, tags, unit_on
from modbus_liar import frame

from edge_agent.core.tags import Reason
from edge_agent.device import Device, Written
from edge_agent.drivers.modbus.driver import Modbus

PERIOD = 0.0973  # so that no deadline falls on a tick
AREAS = (0, 200, 400)
"""Registers so far apart that each takes a request of its own."""

Reply = Callable[[bytes], list[tuple[float, bytes]]]
"""From a right reply to what comes instead: bytes, each so many seconds after the request."""

REPLIES: dict[str, Reply] = {
    "right": lambda good: [(0.01, good)],
    "in two pieces": lambda good: [(0.01, good[:8]), (0.02, good[8:])],
    "byte by byte": lambda good: [(0.001 * n, good[n : n + 1]) for n in range(len(good))],
    "never": lambda good: [],
    "late": lambda good: [(0.6, good)],
    "late, behind the next": lambda good: [(1.2, good)],
    "twice": lambda good: [(0.01, good), (0.012, good)],
    "twice at once": lambda good: [(0.01, good + good)],
    "refused": lambda good: [(0.01, good[:4] + b"\0\3" + good[6:7] + b"\x83\2")],
    "busy": lambda good: [(0.01, good[:4] + b"\0\3" + good[6:7] + b"\x83\6")],
    "cut": lambda good: [(0.01, good[:-1])],
    "a byte more": lambda good: [(0.01, good + b"\0")],
    "another number": lambda good: [(0.01, bytes((good[0] ^ 1,)) + good[1:])],
    "another unit": lambda good: [(0.01, good[:6] + b"\7" + good[7:])],
    "another function": lambda good: [(0.01, good[:7] + b"\4" + good[8:])],
    "another protocol": lambda good: [(0.01, good[:3] + b"\1" + good[4:])],
    "fewer registers": lambda good: [(0.01, frame(int.from_bytes(good[:2]), 1, b"\x03\x00"))],
    "closed": lambda good: [(0.01, b"")],
    "the end before the reply": lambda good: [(0.01, good[:3]), (0.012, b"")],
}


@dataclass
class Scripted(Plant):
    """Answers by a script, and rightly when that is at its end."""

    script: list[str] = field(default_factory=list)

    def send(self, frame_: bytes) -> None:
        self.requests.append(request := self.heard(frame_))
        good = self.reply(request.unit, request.pdu, frame_)
        for after, data in REPLIES[self.script.pop(0) if self.script else "right"](good):
            asyncio.get_running_loop().call_later(after, self._comes, data, self.connections)

    def _comes(self, data: bytes, connection: int) -> None:
        if data:
            self.say(data, connection)
        elif self.listener is not None and connection == self.connections:
            self.lose()


@dataclass
class Seen:
    """What a device told of some cycles, and what was asked of it, each with its time."""

    since: float
    told: list[tuple[float, Reason, list[float], list[int]]] = field(default_factory=list)
    asked: list[tuple[float, bytes]] = field(default_factory=list)


async def observed(script: Sequence[str], *, lends: bool, cycles: int) -> Seen:
    """Read three areas every period, with a link that lends its connection or one that does not."""
    random.seed(1)  # of the jitter before it connects again
    plant, seen = Scripted(script=["right", *script]), Seen(now())
    link = link_to(plant)
    link._may_lend = lends
    device = Device("d", unit_on(link, 1))
    probe, plan = device.declare(tags(1, (7,))), device.plan(tags(1, AREAS))
    assert probe
    keeping = asyncio.create_task(device.run())
    await asyncio.sleep(0.1)
    for _ in range(cycles):
        device.begin(plan, lambda reason: note(seen, device, plan, reason))
        await asyncio.sleep(PERIOD)
    await asyncio.sleep(2)
    keeping.cancel()
    await asyncio.wait([keeping])
    await device.close()
    seen.asked = [(r.at - seen.since, r.pdu) for r in plant.requests]
    return seen


def note(seen: Seen, device: Device, plan: object, reason: Reason) -> None:
    columns = None if reason else device.columns(plan)
    values = [] if columns is None else columns.value.tolist()
    seen.told.append((now() - seen.since, reason, values, [] if columns is None else columns.reason.tolist()))


@pytest.mark.filterwarnings("ignore::async_solipsism.exceptions.ResolutionWarning")
@settings(max_examples=400)
@given(st.lists(st.sampled_from(sorted(REPLIES)), max_size=12))
def test_a_read_in_few_steps_is_told_and_asks_the_same_as_any_other(script: list[str]) -> None:
    import async_solipsism

    async def both() -> None:
        quick = await observed(script, lends=True, cycles=14)
        usual = await observed(script, lends=False, cycles=14)
        for of_quick, of_usual in ((quick.told, usual.told), (quick.asked, usual.asked)):
            assert [str(what) for _, *what in of_quick] == [str(what) for _, *what in of_usual]
            assert [at for at, *_ in of_quick] == pytest.approx([at for at, *_ in of_usual], abs=1e-3)

    with asyncio.Runner(loop_factory=async_solipsism.EventLoop) as runner:
        runner.run(both())


async def settled(plant: Plant, *units: int) -> tuple[list[Modbus], list[Device]]:
    """Devices on one link that have answered once."""
    link = link_to(plant)
    drivers = [unit_on(link, unit) for unit in units]
    devices = [Device(f"d{unit}", driver) for unit, driver in zip(units, drivers, strict=True)]
    for unit, device, driver in zip(units, devices, drivers, strict=True):
        await driver.connect()
        device._lost.clear()
        await driver.read(driver.plan_read(tags(unit)))
    return drivers, devices


async def read(device: Device, plan: object) -> list[float]:
    ended = asyncio.get_running_loop().create_future()
    assert device.begin(plan, ended.set_result)
    assert await ended is Reason.NONE
    return device.columns(plan).value.tolist()


async def test_a_connection_of_its_own_is_lent_once_and_kept() -> None:
    (driver,), (device,) = await settled(Plant(), 1)
    plan = device.plan(tags(1, AREAS))
    for _ in range(3):
        assert await read(device, plan) == [1000, 1200, 1400]
        assert driver.link._lent is plan.express
    await device.close()
    assert driver.link._lent is None


async def test_scan_classes_of_a_device_borrow_the_connection_of_each_other() -> None:
    (driver,), (device,) = await settled(Plant(), 1)
    plans = [device.plan(tags(1, (n,))) for n in (3, 4)]
    for n in (0, 1, 1, 0):
        assert await read(device, plans[n]) == [1003 + n]
        assert driver.link._lent is plans[n].express
    await device.close()


async def test_units_that_share_a_connection_take_turns_on_it() -> None:
    drivers, devices = await settled(Plant(), 1, 2)
    plans = [device.plan(tags(n, (5,))) for n, device in enumerate(devices, 1)]
    assert [await read(d, p) for d, p in zip(devices, plans, strict=True)] == [[1005], [2005]]
    assert drivers[0].link._lent is None
    for device in devices:
        await device.close()


async def test_a_second_unit_that_joins_ends_the_loan_and_the_read_goes_on() -> None:
    plant = Plant()
    (driver,), (device,) = await settled(plant, 1)
    plan = device.plan(tags(1, AREAS))
    await read(device, plan)
    reading = asyncio.create_task(read(device, plan))
    await asyncio.sleep(0.015)  # the second of three requests is under way
    other = unit_on(driver.link, 2)
    await other.connect()
    assert driver.link._lent is None
    assert await reading == [1000, 1200, 1400]
    assert (await other.read(other.plan_read(tags(2)))).value.tolist() == [2000]
    await device.close()
    await other.close()


async def test_a_write_ends_the_loan_and_the_next_read_borrows_again() -> None:
    (driver,), (device,) = await settled(Plant(), 1)
    plan, outputs = device.plan(tags(1, AREAS)), device.declare(tags(1, (7,)))
    await read(device, plan)
    assert (await device.write(outputs, [1007.0]))[0] is Written.VERIFIED
    assert driver.link._lent is None
    assert await read(device, plan) == [1000, 1200, 1400]
    assert driver.link._lent is plan.express
    await device.close()


async def test_what_comes_unasked_on_a_lent_connection_breaks_it() -> None:
    plant = Plant()
    (driver,), (device,) = await settled(plant, 1)
    lost = list[str]()
    driver.on_lost = lambda error: lost.append(str(error))
    await read(device, device.plan(tags(1, AREAS)))
    plant.say(frame(1, 1, b"\x03\x02\x00\x00"))
    assert lost == ["a reply that nobody asked for"]
    await device.close()


async def test_numbers_go_on_over_loans_and_never_are_0() -> None:
    plant = Plant()
    (driver,), (device,) = await settled(plant, 1)
    driver.link._transactions.last = 0xFFFF - 4
    plan, outputs = device.plan(tags(1, AREAS)), device.declare(tags(1, (7,)))
    before = len(plant.requests)
    await read(device, plan)
    await device.write(outputs, [1007.0])
    await read(device, plan)
    numbers = [int.from_bytes(request.frame[:2]) for request in plant.requests[before:]]
    assert numbers == [0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF, 1, 2, 3, 4]
    await device.close()
