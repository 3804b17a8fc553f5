"""A machine between image and PLC, in virtual time: what it writes, when it stops, what it keeps first."""

import asyncio
import logging
import math
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from memory_site import Beating, FormulaModel, frames, manifest, site

from edge_agent.core.gate import Gate
from edge_agent.core.manifest import Bins, Envelope
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason
from edge_agent.device import Written
from edge_agent.historian import Historian
from edge_agent.latch import MISMATCHES

pytestmark = pytest.mark.timeout(20)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = ("edge_agent.publishing", "edge_agent.chronicle")
    return [f"{r.levelname} {r.getMessage()}" for r in caplog.records if r.name in told]


async def test_two_mismatches_in_a_row_latch_writing_off(caplog: pytest.LogCaptureFixture) -> None:
    async with site("ab") as s:
        machine = s.machine("m", "a", "b", FormulaModel(manifest()))
        await s.begin()
        sent = len(s.drivers["b"].writes)
        s.drivers["b"].tamper = {"b.m.layout": 77.0}
        await asyncio.sleep(5)
        assert len(s.drivers["b"].writes) == sent + MISMATCHES
        s.drivers["b"].tamper = {}
        await asyncio.sleep(5)
        await s.end()
        await machine.stop(0)
        assert len(s.drivers["b"].writes) == sent + MISMATCHES, "only re-arming unlatches"
        assert machine.latched
        assert machine.verdict.state is State.OFF
    told = lines(caplog)
    assert [line.split()[0] for line in told] == ["WARNING", "ERROR"]
    assert "another writer" in told[1]


async def test_single_mismatches_do_not_latch() -> None:
    async with site("ab") as s:
        machine = s.machine("m", "a", "b", FormulaModel(manifest()))
        await s.begin()
        for _ in range(5):
            s.drivers["b"].tamper = {"b.m.layout": 77.0}
            await asyncio.sleep(0.1)
            s.drivers["b"].tamper = {}
            await asyncio.sleep(0.3)
        assert machine.written[Written.MISMATCH] == 5
        assert not machine.latched
        await s.end()


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (Reason.MODEL_DOWN, State.FAULT, Reason.MODEL_DOWN),
        (Reason.MODEL_LATE, State.FAULT, Reason.MODEL_LATE),
        ([[math.nan]], State.FAULT, Reason.MODEL_NOT_FINITE),
        ([[math.inf]], State.FAULT, Reason.MODEL_NOT_FINITE),
    ],
)
async def test_without_an_answer_the_score_is_nan_and_the_sequence_stands(
    answer: object, state: State, reason: Reason
) -> None:
    async with site("ab") as s:
        model = FormulaModel(manifest())
        s.machine("m", "a", "b", model)
        await s.begin()
        model.answer = lambda rows: answer
        await asyncio.sleep(1)
        good, bad = frames(s.drivers["b"], "m")[-12][1], frames(s.drivers["b"], "m")[-1][1]
        assert not math.isnan(good["score"])
        assert (bad["state"], bad["reason"]) == (state, reason)
        assert math.isnan(bad["score"])
        assert bad["sequence"] == frames(s.drivers["b"], "m")[-5][1]["sequence"]
        assert bad["heartbeat"] == frames(s.drivers["b"], "m")[-5][1]["heartbeat"] + 4
        await s.end()


async def test_a_lost_input_restarts_the_window_and_names_its_reason() -> None:
    async with site("ab") as s:
        machine = s.machine("m", "a", "b", FormulaModel(manifest()))
        await s.begin()
        s.drivers["a"].values["a.head"] = math.nan
        await asyncio.sleep(0.5)
        assert (machine.verdict.state, machine.verdict.reason) == (State.FALLBACK, Reason.NOT_FINITE)
        assert machine.verdict.culprit == "head"
        s.drivers["a"].values["a.head"] = 20.0
        await asyncio.sleep(1)
        assert machine.verdict.valid
        states = [block["state"] for _, block in frames(s.drivers["b"], "m")]
        assert states[-1] == State.ADVISORY
        back = len(states) - states[::-1].index(State.FALLBACK)
        assert states[back : back + 4] == [State.STARTING] * 3 + [State.ADVISORY]
        await s.end()


async def test_a_stopped_machine_says_so() -> None:
    async with site("ab") as s:
        machine = s.machine("m", "a", "b", FormulaModel(manifest()))
        s.start()
        await s.run(2.05)
        await machine.stop(0)
        last = frames(s.drivers["b"], "m")[-1][1]
    assert (last["state"], last["reason"]) == (State.OFF, Reason.STOPPED)
    assert math.isnan(last["score"])


async def test_the_heartbeat_goes_on_between_slow_results(tmp_path: Path) -> None:
    async with site("ab", period=10.0) as s:
        machine = s.machine("m", "a", "b", FormulaModel(manifest(period=10.0)))
        s.start()
        Beating(s, machine, tmp_path)
        await s.run(99.5)
        sent = frames(s.drivers["b"], "m")
    gaps = np.diff([at for at, _ in sent])
    assert gaps.max() <= 1.2
    assert len(sent) < 120
    beats = [block["heartbeat"] for _, block in sent]
    assert beats == list(range(1, len(sent) + 1))
    assert sent[-1][1]["sequence"] == 7


async def test_the_heartbeat_stops_when_the_scan_hangs(tmp_path: Path) -> None:
    async with site("ab", period=0.1) as s:
        machine = s.machine("m", "a", "b", FormulaModel(manifest()))
        s.start()
        Beating(s, machine, tmp_path)
        running = s.spawner.create_task(s.scan.run())
        await asyncio.sleep(3)
        hung: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def hang(tick: int, until: float) -> None:
            await hung

        s.scan._cycle = hang  # type: ignore[method-assign]
        await asyncio.sleep(60)
        sent = frames(s.drivers["b"], "m")
        assert sent[-1][0] < 10
        s.scan.stop()
        hung.set_result(None)
        await running


async def test_results_lost_and_found_are_told_in_two_lines_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with site("ab") as s:
        s.machine("m", "a", "b", FormulaModel(manifest()))
        await s.begin()
        for _ in range(2):
            for wrong in (math.nan, math.inf, math.nan):
                s.drivers["a"].values["a.head"] = wrong
                await asyncio.sleep(0.5)
            s.drivers["a"].values["a.head"] = 20.0
            await asyncio.sleep(1)
        await s.end()
    once = [
        "WARNING machine m: no results: FALLBACK, NOT_FINITE, input head",
        "INFO machine m: results again",
    ]
    assert lines(caplog) == once * 2


async def test_a_machine_that_stands_still_has_no_score_and_begins_anew() -> None:
    async with site("ab") as s:
        model = FormulaModel(manifest())
        machine = s.machine("m", "a", "b", model, gate=Gate(running="a.speed > 5", settle=0.45))
        await s.begin()
        assert machine.verdict.valid
        s.drivers["a"].values["a.speed"] = 0.0
        await asyncio.sleep(0.5)
        asked = len(model.batches)
        assert (machine.verdict.state, machine.verdict.reason) == (State.READY, Reason.MACHINE_IDLE)
        s.drivers["a"].values["a.speed"] = 30.0
        await asyncio.sleep(2)
        said = [(block["state"], block["reason"]) for _, block in frames(s.drivers["b"], "m")]
        again = said[len(said) - said[::-1].index((State.READY, Reason.MACHINE_IDLE)) :]
        assert again[:5] == [(State.STARTING, Reason.MACHINE_SETTLING)] * 5
        assert again[5:8] == [(State.STARTING, Reason.WARMING_UP)] * 3
        assert set(again[8:]) == {(State.ADVISORY, Reason.NONE)}
        assert len(model.batches) - asked == len(again) - 8, "an idle machine asks its model nothing"
        s.drivers["a"].values["a.speed"] = math.nan
        await asyncio.sleep(0.5)
        assert (machine.verdict.state, machine.verdict.reason) == (State.FALLBACK, Reason.NOT_FINITE)
        assert machine.verdict.culprit == "a.speed"
        await s.end()


async def test_an_input_that_drifts_is_an_event_with_a_number(tmp_path: Path) -> None:
    usual = Bins(edges=[15.0, 25.0], shares=[0.1, 0.8, 0.1])
    other = Bins(edges=[1e6], shares=[0.99, 0.01])
    envelope = Envelope(
        low=[-1e6] * 4,
        high=[1e6] * 4,
        rate=[None] * 4,
        distance=1e9,
        bins=[other, usual, other, other],
        scores={"wear": Bins(edges=[0.5], shares=[0.5, 0.5])},
    )
    historian = Historian(tmp_path)
    historian.open()
    async with site("ab", period=10.0) as s:
        model = FormulaModel(manifest(period=10.0, envelope=envelope))
        model.answer = lambda rows: np.full((len(rows), 1), len(model.batches) % 2 * 0.9)
        machine = s.machine("m", "a", "b", model, historian=historian)
        await s.begin(3700)
        s.drivers["a"].values["a.head"] = 30.0
        await asyncio.sleep(3600)
        assert list(machine.drift) == ["flow", "head", "speed", "power", "wear"]
        assert machine.drift["wear"]["hour"] < 0.01
        await s.end()
    historian.close()
    with sqlite3.connect(tmp_path / "history.db") as history:
        told = [text for (text,) in history.execute("SELECT text FROM event WHERE kind = 'drift'")]
    assert [line.split(":")[0] for line in told] == ["head in the last hour"] * 2
    assert "above 0.20; its mean was 29." in told[1]
