"""The box sleeps and wakes, in virtual time: what was before is no news, and not next to what is after."""

import asyncio
import itertools
import logging
from pathlib import Path
from typing import Any

import pytest
from memory_site import Beating, FormulaModel, Site, frames, manifest, site

from edge_agent import moment
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Quality, Reason
from edge_agent.moment import Suspend
from edge_agent.scan import Scan

HOUR = 3600 * 10**9


class Box:
    """How long it has slept; `sleep` is the suspend and the resume, of which no other clock knows."""

    def __init__(self) -> None:
        self.slept = 7 * HOUR

    def sleep(self, nanoseconds: int = HOUR) -> None:
        self.slept += nanoseconds


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Box:
    made = Box()
    monkeypatch.setattr(moment, "asleep", lambda: made.slept)
    return made


def qualities(s: Site) -> set[tuple[int, int]]:
    latest = s.table.latest
    return set(zip(latest.quality.tolist(), latest.reason.tolist(), strict=True))


@pytest.mark.parametrize(
    ("slept", "reasons"),
    [
        (HOUR, [Reason.LATE] + [Reason.WARMING_UP] * 2 + [Reason.NONE]),
        (600_000_000, [Reason.LATE] + [Reason.WARMING_UP] * 2 + [Reason.NONE]),
        (100_000_000, [Reason.NONE] * 4),
    ],
)
async def test_a_window_does_not_span_more_than_its_max_gap_of_real_time(
    slept: int, reasons: list[Reason], box: Box
) -> None:
    async with site() as s:
        s.machine("m", "a", "a", FormulaModel(manifest(max_gap=0.5)))
        await s.begin()
        before = len(frames(s.drivers["a"], "m"))
        box.sleep(slept)
        await asyncio.sleep(1)
        after = [block for _, block in frames(s.drivers["a"], "m")][before:]
        assert [block["reason"] for block in after[:4]] == reasons
        assert after[-1]["state"] == State.ADVISORY
        assert s.scan.overruns == 0
        await s.end()


async def test_what_was_read_before_is_too_old_at_once(box: Box) -> None:
    async with site("ab") as s:
        await s.begin()
        s.drivers["a"].silent = True
        box.sleep()
        await asyncio.sleep(0.06)
        assert qualities(s) == {(Quality.BAD, Reason.STALE), (Quality.GOOD, Reason.NONE)}
        assert s.table.latest.quality.tolist() == [Quality.BAD] * 4 + [Quality.GOOD] * 4
        await s.end()


async def test_what_was_asked_before_and_comes_after_is_not_used(box: Box) -> None:
    async with site() as s:
        await s.begin()
        s.drivers["a"].delay = 0.35
        await asyncio.sleep(0.11)
        asked = s.drivers["a"].reads[-1]
        box.sleep()
        while s.drivers["a"].reads[-1] == asked:
            assert (Quality.GOOD, Reason.NONE) not in qualities(s) or not s.scan._asleep
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        assert qualities(s) == {(Quality.GOOD, Reason.NONE)}
        await s.end()


async def test_a_sleep_while_it_reads_spoils_what_was_read(box: Box) -> None:
    async with site() as s:
        model = FormulaModel(manifest())
        s.machine("m", "a", "a", model)
        await s.begin()
        s.drivers["a"].delay = 0.02
        read = s.drivers["a"].read

        async def slept(plan: Any) -> Any:
            columns = await read(plan)
            if not s.scan._asleep:
                box.sleep()
            return columns

        s.drivers["a"].read = slept  # type: ignore[method-assign]
        before = len(frames(s.drivers["a"], "m"))
        await asyncio.sleep(0.2)
        first = frames(s.drivers["a"], "m")[before][1]
        assert first["reason"] in (Reason.LATE, Reason.STALE)
        assert first["input_quality"] == Quality.BAD
        await s.end()


async def test_each_scan_forgets_once_and_no_scan_what_another_has_read_since(box: Box) -> None:
    async with site("ab") as s:
        s.table._longest_age[4:] *= 10
        slow = Scan(0.95, s.table, s.spawner)
        slow.classes.append(s.scan.classes.pop())
        running = s.spawner.create_task(slow.run())
        await s.begin(2.35)
        box.sleep()
        seen = []
        for _ in range(100):
            await asyncio.sleep(0.01)
            seen.append((s.table.latest.quality[0], s.table.latest.quality[4]))
        assert {a for a, _ in seen} == {Quality.GOOD}
        assert [b for _, b in seen[6:49]] == [Quality.BAD] * 43, "the values of a slow scan, too"
        assert [b for _, b in seen[51:]] == [Quality.GOOD] * 49
        slow.stop()
        await running
        await s.end()


async def test_it_is_told_once(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site() as s:
        machine = s.machine("m", "a", "a", FormulaModel(manifest()))
        s.start()
        beating = Beating(s, machine, tmp_path)
        told: list[tuple[str, ...]] = []
        monkeypatch.setattr(beating.app._historian, "event", lambda *said: told.append(said))
        running = s.spawner.create_task(s.scan.run())
        await asyncio.sleep(2)
        box.sleep()
        await asyncio.sleep(2)
        s.scan.stop()
        await running
    text = "the box slept for 3600.0 s; what was read before is not used"
    assert told == [("t", "slept", text)]
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING].count(text) == 1


def test_a_process_that_is_held_up_between_two_clocks_was_not_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [10**9, 0, 0, 0, 10**9, 0, 10**6, 10**10, 0, 0]
    clock = itertools.accumulate(step for one in held for step in (0, one))
    monkeypatch.setattr("edge_agent.moment.time.clock_gettime_ns", lambda _: next(clock))
    monkeypatch.setattr("edge_agent.moment.time.monotonic_ns", lambda: next(clock))
    suspend = Suspend()
    assert [suspend.since() for _ in held[3:]] == [0] * 7
