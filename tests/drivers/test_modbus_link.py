"""Several units on one link, in virtual time: who waits for whom, and what a late answer does."""

import asyncio
import gc
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from memory_line import Line, Plant, link_to, now, tags, unit_on
from treachery import Treachery

from edge_agent.core.tags import Quality, Reason
from edge_agent.device import Device
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.drivers.modbus.link import Link


@asynccontextmanager
async def polled(
    devices: dict[int, tuple[Device, float]],
) -> AsyncIterator[dict[int, list[tuple[float, float, float]]]]:
    """Poll one register of each device with a period of its own; when asked, when answered, the value."""
    found: dict[int, list[tuple[float, float, float]]] = {unit: [] for unit in devices}

    async def poll(unit: int, device: Device, period: float) -> None:
        plan = device.plan(tags(unit))
        while True:
            asked = now()
            columns = await device.read(plan, 1)
            if columns.quality[0] == Quality.GOOD:
                found[unit].append((asked, now(), float(columns.value[0])))
            await asyncio.sleep(max(0.0, asked + period - now()))

    tasks = [asyncio.create_task(device.run()) for device, _ in devices.values()]
    tasks += [asyncio.create_task(poll(unit, *device)) for unit, device in devices.items()]
    yield found
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for device, _ in devices.values():
        await device.close()


def on(link: Link, unit: int, timeout: float, period: float) -> tuple[Device, float]:
    return Device(f"u{unit}", unit_on(link, unit, timeout)), period


async def test_one_request_is_in_flight_however_many_ask() -> None:
    plant = Plant(delays={unit: lambda _: 0.1 for unit in range(1, 6)})
    link = link_to(plant)
    units = [unit_on(link, unit) for unit in range(1, 6)]
    plans = [unit.plan_read(tags(unit.unit)) for unit in units]
    for unit in units:
        await unit.connect()
    assert plant.connections == 1
    columns = await asyncio.gather(*(unit.read(plan) for unit, plan in zip(units, plans, strict=True)))
    assert [c.value[0] for c in columns] == [1000, 2000, 3000, 4000, 5000]
    gaps = [b.at - a.at for a, b in itertools.pairwise(plant.requests)]
    assert min(gaps) >= 0.0999
    for unit in units:
        await unit.close()


async def test_pipelining_sends_as_many_as_allowed_and_tells_the_answers_apart() -> None:
    dice = random.Random(1)
    plant = Plant(delays={1: lambda _: dice.uniform(0.1, 0.3)})
    link = link_to(plant, pipelining=4)
    unit = unit_on(link, 1)
    plan = unit.plan_read(tags(1, range(0, 1000, 50)))
    await unit.connect()
    started = now()
    columns = await unit.read(plan)
    assert columns.value.tolist() == [1000 + n for n in range(0, 1000, 50)]
    assert now() - started < 20 * 0.2 / 3
    assert [r.at for r in plant.requests[:5]].count(plant.requests[0].at) == 4
    await unit.close()


async def test_the_quick_unit_of_a_real_gateway_does_not_starve() -> None:
    """Units 1 to 3 answer in 1.1 s or, more than a third of the time, never; unit 7 in 39 ms."""
    dice = random.Random(7)

    def sluggish(_: int) -> float | None:
        return None if dice.random() < 0.38 else dice.uniform(0.9, 1.4)

    plant = Plant(delays={1: sluggish, 2: sluggish, 3: sluggish, 7: lambda _: 0.039})
    link = link_to(plant)
    devices = {unit: on(link, unit, 2.0, 1.0) for unit in (1, 2, 3)} | {7: on(link, 7, 2.0, 0.5)}
    async with polled(devices) as found:
        await asyncio.sleep(600)
    waits = sorted(answered - asked for asked, answered, _ in found[7])
    assert waits[len(waits) // 2] < 1.5
    assert waits[len(waits) * 99 // 100] < 2 * 2.0 + 0.1, (
        "it waits for one request of another unit, seldom for two"
    )
    assert len(found[7]) > 300
    assert all(len(found[unit]) > 20 for unit in (1, 2, 3))
    for unit, values in found.items():
        assert {value for *_, value in values} == {1000.0 * unit}
    assert plant.connections == 1, "a unit that is silent does not cost the others their connection"


async def test_silent_units_get_a_tenth_of_the_time_and_are_found_again() -> None:
    alive = asyncio.Event()
    plant = Plant(delays={unit: lambda _: 0.02 if alive.is_set() else None for unit in range(1, 6)})
    link = link_to(plant)
    devices = {unit: on(link, unit, 0.5, 0.1) for unit in range(1, 6)} | {20: on(link, 20, 0.5, 0.1)}
    async with polled(devices) as found:
        await asyncio.sleep(20)
        began, before = now(), len(plant.requests)
        await asyncio.sleep(50)
        lost = [r for r in plant.requests[before:] if r.unit != 20]
        assert len(lost) * 0.5 <= 0.11 * (now() - began)
        assert {len(r.pdu) and r.pdu[3:5] for r in lost} == {b"\0\1"}
        good = [asked for asked, _, _ in found[20] if asked >= began]
        assert len(good) > 0.8 * 500
        alive.set()
        await asyncio.sleep(40)
        assert all(found[unit] for unit in range(1, 6))


async def test_a_connection_that_nobody_answers_on_is_dropped() -> None:
    """Half open: sent bytes vanish. One silent unit would not tell, all of them do."""
    dead = asyncio.Event()
    plant = Plant(delays={unit: lambda _: None if dead.is_set() else 0.01 for unit in (1, 2)})
    link = link_to(plant)
    async with polled({unit: on(link, unit, 0.3, 0.1) for unit in (1, 2)}) as found:
        await asyncio.sleep(5)
        dead.set()
        await asyncio.sleep(1)
        assert plant.connections > 1
        dead.clear()
        await asyncio.sleep(10)
        assert now() - max(answered for _, answered, _ in found[1]) < 0.5
        assert now() - max(answered for _, answered, _ in found[2]) < 0.5


async def test_a_connection_that_is_lost_is_told_to_all_its_devices_at_once() -> None:
    plant = Plant()
    link = link_to(plant)
    devices = {unit: on(link, unit, 0.5, 5.0) for unit in (1, 2, 3)}
    async with polled(devices) as found:
        await asyncio.sleep(7)
        plant.lose()
        assert [device.healthy for device, _ in devices.values()] == [False] * 3
        await asyncio.sleep(1)
        assert plant.connections == 2
        await asyncio.sleep(10)
        assert [len(found[unit]) for unit in devices] == [3] * 3, "nobody missed a tick"


async def test_a_late_answer_is_recognised_and_thrown_away() -> None:
    plant = Plant(delays={1: lambda n: 0.8 if n == 0 else 0.01, 2: lambda _: 0.01})
    link = link_to(plant)
    slow, quick = unit_on(link, 1), unit_on(link, 2)
    plans = slow.plan_read(tags(1)), quick.plan_read(tags(2))
    await slow.connect()
    await quick.connect()
    with pytest.raises(LinkDown, match=r"no answer within 0\.5 s") as down:
        await slow.read(plans[0])
    assert down.value.reason is Reason.TIMEOUT
    for _ in range(40):
        assert (await quick.read(plans[1])).value[0] == 2000
    assert plant.connections == 1
    await slow.close()
    await quick.close()


async def test_a_unit_that_owes_an_answer_is_not_asked_again_at_once() -> None:
    """Some gateways stamp a late answer with the newest number: only time tells it from the right one."""
    plant = Plant(delays={1: lambda n: None if n == 0 else 0.01})
    link = link_to(plant, settle=3.0)
    one, two = unit_on(link, 1), unit_on(link, 2)
    plan = one.plan_read(tags(1))
    await one.connect()
    await two.connect()
    with pytest.raises(LinkDown):
        await one.read(plan)
    await one.close()
    await one.connect()
    await one.read(plan)
    asked = [r.at for r in plant.requests if r.unit == 1]
    assert asked[1] - asked[0] >= 3.5
    await one.close()
    await two.close()


async def test_the_wrong_unit_in_an_answer_breaks_the_connection() -> None:
    plant = Plant(delays={1: lambda _: None})
    link = link_to(plant)
    unit = unit_on(link, 1)
    await unit.connect()
    reading = asyncio.create_task(unit.read(unit.plan_read(tags(1))))
    await asyncio.sleep(0.01)
    plant.say(plant.requests[0].frame[:4] + b"\0\5\2\3\2\0\1")
    with pytest.raises(LinkDown, match="unit 2 answers") as down:
        await reading
    assert down.value.reason is Reason.BAD_REPLY
    assert plant.listener is None


async def test_a_unit_that_answers_nonsense_costs_the_others_nothing() -> None:
    """Its frames carry the right number and unit: whose answer is wrong is known."""
    plant = Plant(nonsense={2})
    link = link_to(plant)
    async with polled({unit: on(link, unit, 0.5, 0.1) for unit in (1, 2)}) as found:
        await asyncio.sleep(60)
        assert plant.connections == 1
        assert len(found[1]) > 550
        assert found[2] == []


async def test_the_backup_host_is_taken_while_the_first_is_away() -> None:
    first, second = Plant(absent=True), Plant()
    link = link_to(first, second)
    unit = unit_on(link, 1)
    plan = unit.plan_read(tags(1))
    await unit.connect()
    assert (await unit.read(plan)).value[0] == 1000
    first.absent = False
    second.lose()
    await unit.connect()
    assert (await unit.read(plan)).value[0] == 1000
    assert (first.connections, second.connections) == (1, 1)
    await unit.close()
    first.absent = second.absent = True
    with pytest.raises(LinkDown, match="Connection refused"):
        await unit.connect()


async def test_the_backup_host_is_taken_while_the_first_takes_connections_and_does_not_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hanging, second = Plant(delays={1: lambda n: None if n < 2 else 0.01}), Plant()
    unit = unit_on(link_to(hanging, second), 1)
    plan = unit.plan_read(tags(1))
    await unit.connect()
    with pytest.raises(LinkDown, match="no answer"):
        await unit.read(plan)
    await unit.connect()
    assert (await unit.read(plan)).value[0] == 1000
    assert (hanging.connections, second.connections) == (1, 1)
    assert [r.getMessage() for r in caplog.records] == [
        "memory is used instead of memory: it took a connection and did not answer"
    ]
    second.lose()
    await unit.connect()  # whoever has answered is not the reason to leave the first out
    with pytest.raises(LinkDown, match="no answer"):
        await unit.read(plan)
    second.absent = True
    await unit.connect()
    assert (await unit.read(plan)).value[0] == 1000
    assert hanging.connections == 3
    await unit.close()


async def test_those_who_wait_while_one_tries_to_connect_share_its_failure() -> None:
    plant = Plant(absent=True)
    link = link_to(plant)
    units = [unit_on(link, unit) for unit in range(1, 101)]
    started = now()
    failures = await asyncio.gather(*(unit.connect() for unit in units), return_exceptions=True)
    assert all(isinstance(failure, LinkDown) for failure in failures)
    assert now() - started < 0.01


async def test_pause_after_connect_and_delay_between_frames_are_kept() -> None:
    plant = Plant()
    link = link_to(plant, pause=0.7, delay=0.05)
    unit = unit_on(link, 1)
    plan = unit.plan_read(tags(1, (0, 100, 200)))
    started = now()
    await unit.connect()
    await unit.read(plan)
    times = [r.at - started for r in plant.requests]
    assert times[0] >= 0.7
    assert all(b - a >= 0.0599 for a, b in itertools.pairwise(times))
    await unit.close()


async def test_who_gives_up_waiting_leaves_the_line_in_order() -> None:
    plant = Plant(delays={1: lambda n: 0.3 if n == 0 else 0.01})
    unit = unit_on(link_to(plant), 1)
    plan, other = unit.plan_read(tags(1)), unit.plan_read(tags(1, (9,)))
    await unit.connect()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await unit.read(plan)
    assert (await unit.read(other)).value[0] == 1009
    await unit.close()


async def test_closing_one_device_leaves_the_others_their_requests() -> None:
    plant = Plant(delays={1: lambda _: 0.3, 2: lambda _: 0.1})
    link = link_to(plant)
    one, two = unit_on(link, 1), unit_on(link, 2)
    await one.connect()
    await two.connect()
    first = asyncio.create_task(one.read(one.plan_read(tags(1))))
    second = asyncio.create_task(two.read(two.plan_read(tags(2))))
    await asyncio.sleep(0.05)
    await one.close()
    with pytest.raises(LinkDown, match="closed"):
        await first
    assert (await second).value[0] == 2000
    await two.close()
    assert plant.listener is None
    await one.close()


async def test_a_close_under_many_requests_leaves_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    plant = Plant(delays={1: lambda _: None})
    unit = unit_on(link_to(plant), 1)
    await unit.connect()
    reading = asyncio.create_task(unit.read(unit.plan_read(tags(1, range(0, 1000, 50)))))
    await asyncio.sleep(0.1)
    await unit.close()
    with pytest.raises(LinkDown):
        await reading
    del reading
    gc.collect()
    assert caplog.records == []


async def _reconnected(unit: Modbus) -> None:
    await unit.close()
    for _ in range(100):
        try:
            return await unit.connect()
        except LinkDown:
            await asyncio.sleep(0.1)
    raise AssertionError("the line never answers")


async def _reads(unit: Modbus, times: int) -> tuple[int, int]:
    """Read register n for n = 0, 1, 2 ...; how many values came, and how many of them are wrong."""
    plans = [unit.plan_read(tags(unit.unit, (n,))) for n in range(50)]
    good = wrong = 0
    for n in range(times):
        try:
            value = (await unit.read(plans[n % 50])).value[0]
        except LinkDown:
            await _reconnected(unit)
            continue
        good += 1
        wrong += value != 1000 * unit.unit + n % 50
    return good, wrong


@pytest.mark.parametrize("rtu", [True, False])
async def test_of_a_line_with_late_answers_no_value_is_wrong(rtu: bool) -> None:
    """A tenth of the answers come up to half a second after the deadline."""
    dice = random.Random(3)

    def late(_: int) -> float:
        return dice.uniform(0.21, 0.7) if dice.random() < 0.1 else 0.02

    unit = unit_on(link_to(Plant(rtu=rtu, delays={1: late}), settle=0.6, delay=0.005), 1, timeout=0.2)
    await unit.connect()
    good, wrong = await _reads(unit, 2000)
    assert wrong == 0
    assert good > 1700
    await unit.close()


@pytest.mark.parametrize("seed", range(5))
async def test_no_value_from_a_treacherous_line_is_wrong(seed: int) -> None:
    """Answers up to a second after the deadline, and some twice."""
    line = Line(Treachery(random.Random(seed), late=(0.21, 1.2), again=0.003))
    unit = unit_on(link_to(line, settle=1.0, delay=0.005), 1, timeout=0.2)
    plans = [unit.plan_read(tags(1, (n,))) for n in range(100)]
    await unit.connect()
    good, reasons = 0, set[Reason]()
    for n in range(2000):
        try:
            columns = await unit.read(plans[n % 100])
        except LinkDown as down:
            reasons.add(down.reason)
            await _reconnected(unit)
            continue
        if columns.quality[0] == Quality.GOOD:
            good += 1
            assert columns.value[0] == n % 100
    assert good > 1000
    assert reasons == {Reason.TIMEOUT, Reason.BAD_REPLY}
    await unit.close()


async def test_a_serial_line_is_silent_after_a_deadline_even_if_it_is_opened_again() -> None:
    plant = Plant(rtu=True, delays={1: lambda n: None if n == 0 else 0.01})
    unit = unit_on(link_to(plant, settle=2.0), 1, timeout=0.2)
    plan = unit.plan_read(tags(1))
    await unit.connect()
    with pytest.raises(LinkDown):
        await unit.read(plan)
    await unit.close()
    await unit.connect()
    assert (await unit.read(plan)).value[0] == 1000
    assert plant.requests[1].at - plant.requests[0].at >= 2.2
    await unit.close()


async def test_a_line_that_never_falls_silent_is_given_up() -> None:
    plant = Plant(rtu=True)
    unit = unit_on(link_to(plant, delay=0.01), 1)
    await unit.connect()
    lost = list[LinkDown]()
    unit.on_lost = lost.append
    for _ in range(50):
        plant.say(bytes(100))
    assert [str(error) for error in lost] == ["the line talks without being asked"]
    assert plant.listener is None
