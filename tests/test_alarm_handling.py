"""Alarms from the PLC's side, in virtual time: bits in the block, and buttons that the agent reads."""

import asyncio

import msgspec
import numpy as np
import pytest
from memory_site import FormulaModel, Site, frames, manifest, site

from edge_agent.config.schema import Alarms
from edge_agent.core.alarm import Handling
from edge_agent.core.manifest import Limits
from edge_agent.core.resultblock import AlarmBits
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
        s.start()
        running = s.spawner.create_task(s.scan.run())

        async def then(**pressed: float) -> AlarmBits:
            buttons.update({f"a.{name}": value for name, value in pressed.items()})
            await asyncio.sleep(0.5)
            return AlarmBits(int(frames(s.drivers["b"], "m")[-1][1]["alarm"]))

        await asyncio.sleep(2.05)
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
        s.scan.stop()
        await running


async def test_a_button_held_from_before_the_start_is_not_pressed() -> None:
    async with site("ab") as s:
        score = [0.9]
        machine = alarming(s, score)
        s.drivers["a"].values |= {"a.flow": 1.0, "a.head": 0.0}
        s.start()
        await s.run(3.05)
        assert machine.verdict.bits & WAITS
