"""Alarms from the PLC's side, in virtual time: bits in the block, and buttons that the agent reads."""

import asyncio

import dense_model
import msgspec
import numpy as np
import pytest
from memory_site import FormulaModel, Site, frames, manifest, site

from edge_agent.config.schema import Alarms
from edge_agent.core.alarm import Handling
from edge_agent.core.manifest import Limits
from edge_agent.core.resultblock import AlarmBits
from edge_agent.core.tags import Reason
from edge_agent.machine import Machine

pytestmark = pytest.mark.timeout(20)
UP, WAITS = AlarmBits.ALARM, AlarmBits.ALARM_UNACKNOWLEDGED
WARNED = AlarmBits.WARNING | AlarmBits.WARNING_UNACKNOWLEDGED


def alarming(s: Site, score: list[float]) -> Machine:
    """A machine whose score is `score[0]`, with an alarm that waits and latches, and a warning before it."""
    made = manifest()
    output = msgspec.structs.replace(
        made.outputs[0], limits=Limits(on=0.8, off=0.6), warning=Limits(on=0.5, off=0.4)
    )
    model = FormulaModel(msgspec.structs.replace(made, outputs=[output]))
    model.answer = lambda rows: np.full((len(rows), 1), score[0])
    alarm = Alarms(handling=Handling(wait=True, latch=True), acknowledge="a.flow", reset="a.head")
    return s.machine("m", "a", "b", model, alarm=alarm)


async def test_it_waits_for_the_plcs_buttons_and_says_so_in_the_block() -> None:
    async with site("ab") as s:
        score = [0.1]
        alarming(s, score)
        buttons = s.drivers["a"].values
        buttons |= {"a.flow": 0.0, "a.head": 0.0}

        async def then(**pressed: float) -> AlarmBits:
            buttons.update({f"a.{name}": value for name, value in pressed.items()})
            await asyncio.sleep(0.5)
            return AlarmBits(int(frames(s.drivers["b"], "m")[-1][1]["alarm"]))

        await s.begin()
        assert await then() == 0
        score[0] = 0.55
        assert await then() == WARNED
        score[0] = 0.9
        assert await then() == WARNED | UP | WAITS
        assert await then(flow=1) == UP | AlarmBits.WARNING
        score[0] = 0.1
        assert await then() == UP | AlarmBits.WARNING, "latched"
        assert await then(flow=0, head=1) == 0
        score[0] = 0.9
        assert await then(flow=1) == WARNED | UP | WAITS, "pressed before anybody could see it"
        assert await then(flow=0) == WARNED | UP | WAITS
        assert await then(flow=1) == UP | AlarmBits.WARNING
        await s.end()


async def test_a_button_held_from_before_the_start_is_not_pressed() -> None:
    async with site("ab") as s:
        score = [0.9]
        machine = alarming(s, score)
        s.drivers["a"].values |= {"a.flow": 1.0, "a.head": 0.0}
        s.start()
        await s.run(3.05)
        assert machine.verdict.bits & WAITS


async def test_an_alarm_names_the_input_that_made_it(caplog: pytest.LogCaptureFixture) -> None:
    async with site("ab") as s:
        made = manifest()
        inputs = [
            msgspec.structs.replace(i, mean=m, std=d, unit="degC" if i.name == "power" else "")
            for i, m, d in zip(made.inputs, dense_model.OFFSET, dense_model.SCALE, strict=True)
        ]
        made = msgspec.structs.replace(made, inputs=inputs, outputs=dense_model.limited(Limits(on=5, off=4)))
        model = FormulaModel(made)
        model.answer = lambda rows: (rows.reshape(len(rows), 4, 4) ** 2).sum(axis=2).mean(axis=1)[:, None]
        machine = s.machine("m", "a", "b", model)
        await s.begin()
        asked = len(model.batches)
        s.drivers["a"].values |= {"a.power": 65.0, "a.head": 23.0}
        await asyncio.sleep(1)
        assert len(model.batches) == asked + 10 + 4, "each input once, when the alarm came"
        block = frames(s.drivers["b"], "m")[-1][1]
        assert [block[f"reason_{i}"] for i in (1, 2, 3)] == [4, 2, 0]
        first, second = machine.verdict.causes
        assert first.text.startswith("power +")
        assert first.text.endswith("degC above its mean in training")
        assert second.input == "head"
        s.drivers["a"].values |= {"a.power": 40.0, "a.head": 20.0}
        await asyncio.sleep(1)
        block = frames(s.drivers["b"], "m")[-1][1]
        assert [block[f"reason_{i}"] for i in (1, 2, 3)] == [0, 0, 0]
        await s.end()
    told = [r.getMessage() for r in caplog.records if "alarm wear" in r.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("machine m: alarm wear: power +")


async def test_a_model_that_does_not_answer_a_second_time_delays_no_alarm() -> None:
    async with site("ab") as s:
        score = [0.1]
        machine = alarming(s, score)
        model = machine.model
        await s.begin()
        score[0] = 0.9
        answers = model.answer
        count = len(model.batches)
        model.answer = lambda rows: answers(rows) if len(model.batches) <= count + 1 else Reason.MODEL_LATE
        await asyncio.sleep(0.15)
        assert AlarmBits(int(frames(s.drivers["b"], "m")[-1][1]["alarm"])) & UP
        assert machine.verdict.causes == ()
        await s.end()


async def test_a_slow_model_is_asked_for_reasons_over_several_cycles() -> None:
    async with site("ab") as s:
        score = [0.1]
        machine = alarming(s, score)
        model = machine.model
        await s.begin()
        s.drivers["a"].values["a.flow"] = 99.0
        standing, cycles = len(model.batches), s.scan.cycles
        model.delay = 0.03
        model.answer = lambda rows: np.where(rows[:, 12:13] > 50, 0.9, 0.1)
        await asyncio.sleep(0.15)
        assert machine.verdict.alarm
        assert machine.verdict.causes == (), "there is time for one more question in a cycle"
        await asyncio.sleep(1)
        assert [cause.input for cause in machine.verdict.causes] == ["flow"]
        assert len(model.batches) - standing == s.scan.cycles - cycles + 4
        assert s.scan.overruns == 0
        await s.end()
