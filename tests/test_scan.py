"""The scan cycle in virtual time: its phase, its waits, its staleness, and what it gives to machines."""

import asyncio

import numpy as np
import pytest
from dense_model import takes
from memory_driver import TIMEOUT, MemoryDriver, now, tag
from memory_site import FormulaModel, frames, manifest, site

from edge_agent.asking import ScanClass
from edge_agent.core.manifest import Input
from edge_agent.core.steps.clocks import Calendar
from edge_agent.core.steps.single import Select
from edge_agent.core.tags import Columns, Quality, Reason
from edge_agent.device import Device
from edge_agent.scan import WAIT, Scan
from edge_agent.table import STALE, Table


def off_grid(times: list[float], start: float, period: float) -> float:
    """The largest distance of any time to its tick."""
    ticks = (np.array(times) - start) / period
    return float(np.abs(ticks - np.round(ticks)).max()) * period


async def test_every_tick_is_served_on_its_phase() -> None:
    async with site() as s:
        s.start()
        start = now()
        await s.run(100.05)
        assert s.scan.cycles == 1001
        assert s.scan.overruns == 0
        assert off_grid(s.drivers["a"].reads[1:], start, 0.1) < 1e-6


async def test_after_a_stall_missed_ticks_are_counted_and_the_phase_is_kept() -> None:
    async with site() as s:
        s.start()
        start = now()
        running = s.spawner.create_task(s.scan.run())
        await asyncio.sleep(1.0)
        cycle, stalled = s.scan._cycle, False

        async def stall(tick: int, until: float) -> None:
            nonlocal stalled
            if not stalled:
                stalled = True
                await asyncio.sleep(0.73)
            await cycle(tick, until)

        s.scan._cycle = stall  # type: ignore[method-assign]
        await asyncio.sleep(2.05)
        s.scan.stop()
        await running
        assert s.scan.overruns == 7
        assert s.scan.cycles + s.scan.overruns == pytest.approx(31, abs=1)
        late = [t for t in s.drivers["a"].reads if t > start + 1.95]
        assert off_grid(late, start, 0.1) < 1e-6


async def test_a_silent_device_delays_the_others_once_by_the_wait_and_never_again() -> None:
    async with site("ab") as s:
        model = FormulaModel(manifest())
        s.machine("m", "b", "b", model)
        await s.begin()
        before = len(frames(s.drivers["b"], "m"))
        s.drivers["a"].silent = True
        began = now()
        await asyncio.sleep(20)
        times = [t for t, _ in frames(s.drivers["b"], "m")][before:]
        assert 199 <= len(times) <= 201
        delays = [(t - 0.1 * round((t - began) / 0.1) - began + 0.05) % 0.1 for t in times]
        late = [d for d in delays if min(d, 0.1 - d) > 0.001]
        assert len(late) <= 1
        assert all(delay == pytest.approx(WAIT * 0.1, abs=0.001) for delay in late)
        assert s.scan.overruns == 0
        await s.end()


async def test_a_device_that_takes_no_write_delays_no_machine_on_the_same_model() -> None:
    async with site("ab") as s:
        model = FormulaModel(manifest())
        s.machine("one", "b", "a", model)
        s.machine("two", "b", "b", model)
        await s.begin()
        before = frames(s.drivers["b"], "two")[-1][1]["sequence"]
        s.drivers["a"].delay = 0.9 * TIMEOUT
        await asyncio.sleep(10)
        assert frames(s.drivers["b"], "two")[-1][1]["sequence"] - before == pytest.approx(100, abs=1)
        assert max(model.batches[:-1]) == 2
        await s.end()


async def test_a_value_is_too_old_after_two_and_a_half_periods() -> None:
    table = Table(np.array([int(STALE * 1e9)] * 2))
    at = 10_000_000_000
    fresh = Columns(
        np.array([1.0, 2.0]), np.array([2, 2], np.uint8), np.zeros(2, np.uint8), np.array([at, at])
    )
    table.put(slice(0, 2), fresh)
    assert table.image(at + 2_500_000_000).quality.tolist() == [2, 2]
    table.put(slice(0, 1), Columns(fresh.value[:1], fresh.quality[:1], fresh.reason[:1], fresh.at[:1] + 1))
    image = table.image(at + 2_500_000_001)
    assert image[0].value == 1.0
    assert np.isnan(image[1].value)
    assert (image[1].quality, image[1].reason) == (Quality.BAD, Reason.STALE)


async def test_a_bad_value_keeps_its_own_reason_however_old() -> None:
    table = Table(np.array([1]))
    table.put(slice(0, 1), Columns.bad(1, Reason.DEVICE_REFUSED, 0))
    assert table.image(10**12)[0].reason is Reason.DEVICE_REFUSED


def test_what_a_number_cannot_say_is_kept_until_it_is_said_anew() -> None:
    table = Table(np.full(3, 10**9))
    good = (np.zeros(2), np.full(2, Quality.GOOD, np.uint8), np.zeros(2, np.uint8), np.zeros(2, np.int64))
    table.put(slice(1, 3), Columns(*good, {1: "pump"}))
    assert table.exact == {2: "pump"}
    table.put(slice(0, 1), Columns.bad(1, Reason.NO_LINK, 0))
    assert table.exact == {2: "pump"}
    table.put(slice(1, 3), Columns(*good))
    assert table.exact == {}


def test_scan_classes_that_are_stored_together_are_as_each_alone() -> None:
    table = Table(np.full(5, 10**9))
    classes = [slice(3, 5), slice(0, 2)]

    def together(exact: dict[int, int | str]) -> Columns:
        value = np.array([30.0, 40.0, 0.0, 10.0])
        good = np.full(4, Quality.GOOD, np.uint8)
        return Columns(value, good, np.zeros(4, np.uint8), np.full(4, 7), exact)

    table.put_all(classes, together({}))
    assert table.latest.value[[0, 1, 3, 4]].tolist() == [0, 10, 30, 40]
    assert (table.latest.quality[2], table.exact) == (Quality.BAD, {})
    table.put_all([slice(0, 2), slice(2, 4)], together({}))
    assert table.latest.value.tolist() == [30, 40, 0, 10, 40]
    table.put_all(classes, together({1: "pump"}))
    assert table.exact == {4: "pump"}
    table.put_all(classes, together({}))
    assert table.exact == {}


async def test_an_image_is_frozen_while_its_table_goes_on() -> None:
    table = Table(np.array([10**9]))
    one = Columns(np.array([1.0]), np.array([2], np.uint8), np.zeros(1, np.uint8), np.array([5]))
    table.put(slice(0, 1), one)
    image = table.image(5)
    table.put(slice(0, 1), Columns.bad(1, Reason.NO_LINK, 6))
    assert image[0].value == 1.0
    for column in (image.value, image.quality, image.reason, image.at):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0


async def test_two_periods_of_one_device_are_both_kept() -> None:
    async with asyncio.TaskGroup() as group:
        driver = MemoryDriver({"a.fast": 1.0, "a.slow": 2.0})
        device = Device("a", driver)
        table = Table(np.array([10**9, 10**10]))
        scans = []
        for row, (name, period) in enumerate((("a.fast", 0.1), ("a.slow", 1.0))):
            scan = Scan(period, table, group)
            scan.classes.append(ScanClass(device, device.plan([tag(name)]), slice(row, row + 1)))
            scans.append(scan)
        keeping = group.create_task(device.run())
        running = [group.create_task(scan.run()) for scan in scans]
        await asyncio.sleep(30.05)
        for scan in scans:
            scan.stop()
        await asyncio.wait(running)
        keeping.cancel()
    assert [scan.cycles for scan in scans] == [301, 31]
    assert [scan.overruns for scan in scans] == [0, 0]
    assert table.latest.value.tolist() == [1.0, 2.0]


async def test_machines_of_one_model_are_asked_as_one_batch() -> None:
    async with site("ab") as s:
        model = FormulaModel(manifest())
        for name in "xyz":
            s.machine(name, "a", "b", model)
        s.start()
        await s.run(3.05)
    assert set(model.batches) == {3}
    assert len({str(f[-1][1]["score"]) for f in (frames(s.drivers["b"], n) for n in "xyz")}) == 1


async def test_a_model_sees_the_wall_time_of_its_tick_and_the_machines_constants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_agent.scan.time.time_ns", lambda: 18 * 3600 * 10**9)
    columns = ["flow", "rated", "hour_sin", "hour_cos"]
    rated = [Input(name="rated", min=50, max=60, mean=55, std=1)]
    steps = [Calendar(parts=("hour",)), Select(columns=columns)]
    async with site() as s:
        model = FormulaModel(manifest(constants=rated, steps=steps, model=takes(columns)))
        seen: list[np.ndarray] = []
        model.answer = lambda rows: (seen.append(rows), np.full((len(rows), 1), 0.5))[1]
        s.machine("press", "a", "a", model, constants=(57.0,))
        s.start()
        await s.run(1.0)
        flow = s.drivers["a"].values["a.flow"]
        np.testing.assert_allclose(seen[-1].reshape(4, 4), [[flow, 57, -1, 0]] * 4, atol=1e-6)


async def test_a_slow_model_skips_cycles_but_not_the_reading() -> None:
    async with site() as s:
        model = FormulaModel(manifest(max_gap=1.0))
        s.machine("m", "a", "a", model)
        model.delay = 0.25
        s.start()
        await s.run(10.05)
        assert len(s.drivers["a"].reads) > 100
        assert s.scan.overruns == 0
        assert 30 <= len(model.batches) <= 40


async def test_stop_ends_a_scan_that_sleeps_long() -> None:
    async with asyncio.TaskGroup() as group:
        scan = Scan(3600.0, Table(np.zeros(0, np.int64)), group)
        running = group.create_task(scan.run())
        await asyncio.sleep(10)
        scan.stop()
        await running
    assert now() == pytest.approx(10, abs=0.01)
    assert scan.cycles == 1


async def test_a_bug_in_a_cycle_ends_everything() -> None:
    async def broken() -> None:
        async with site() as s:
            s.machine("m", "a", "a", FormulaModel(manifest()))
            s.drivers["a"].values["a.flow"] = "seven"  # type: ignore[assignment]
            s.start()
            await s.run(10)

    with pytest.raises(ExceptionGroup) as ended:
        await broken()
    assert ended.group_contains((TypeError, ValueError, np.exceptions.DTypePromotionError))
