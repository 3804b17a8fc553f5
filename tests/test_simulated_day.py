"""A day of random outages in virtual time, from a seed. Whatever happens, the promises hold.

make month        thirty days
"""

import asyncio
import math
import random

import numpy as np
import pytest
from memory_driver import MemoryDriver
from memory_site import GOOD, OUTPUT_NAMES, FormulaModel, Site, manifest, site

from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Quality, Reason
from edge_agent.table import Table

DAY, PERIOD = 86_400.0, 10.0


async def trouble(dice: random.Random, driver: MemoryDriver, name: str) -> None:
    """Break one device in some way for a while, again and again."""
    while True:
        await asyncio.sleep(dice.expovariate(1 / 600))
        kind = dice.choice(("absent", "silent", "slow", "nan", "infinite", "gone", "refuses"))
        key = f"{name}.{dice.choice(list(GOOD))}"
        if kind in {"absent", "silent", "refuses"}:
            setattr(driver, kind, True)
        elif kind == "slow":
            driver.delay = dice.uniform(0, 2)
        elif kind == "gone":
            driver.values.pop(key, None)
        else:
            driver.values[key] = math.nan if kind == "nan" else math.inf
        await asyncio.sleep(dice.expovariate(1 / 120))
        driver.absent = driver.silent = driver.refuses = False
        driver.delay = 0.0
        driver.values |= {f"{name}.{n}": v for n, v in GOOD.items()}


async def bad_model(dice: random.Random, model: FormulaModel) -> None:
    formula = model.answer
    while True:
        await asyncio.sleep(dice.expovariate(1 / 3600))
        answer = dice.choice((Reason.MODEL_DOWN, Reason.MODEL_LATE, [[math.nan], [math.nan]]))
        model.answer = lambda rows, answer=answer: (
            answer if isinstance(answer, Reason) else answer[: len(rows)]
        )
        await asyncio.sleep(dice.uniform(5, 200))
        model.answer = formula


class Watched(Table):
    """A table whose every image is checked."""

    images = 0

    def image(self, now: int) -> Columns:
        image = super().image(now)
        assert ((image.quality == Quality.BAD) == np.isnan(image.value)).all()
        assert ((image.quality == Quality.BAD) <= (image.reason != Reason.NONE)).all()
        assert (now - image.at[image.quality != Quality.BAD] <= 2.5 * PERIOD * 1e9).all()
        self.images += 1
        return image


def check_frames(s: Site, machine: str, writes: str) -> set[Reason]:
    """Follow a machine's blocks over the day; return the reasons that the PLC was given."""
    sequence, heartbeat, reasons = 0, 0, set()
    for _, values in s.drivers[writes].writes:
        if f"{writes}.{machine}.layout" not in values:
            continue
        block = {name: values[f"{writes}.{machine}.{name}"] for name in OUTPUT_NAMES}
        assert set(values) == {f"{writes}.{machine}.{name}" for name in OUTPUT_NAMES}
        valid = block["reason"] == Reason.NONE
        assert math.isnan(block["score"]) == (not valid)
        assert (block["state"] == State.ADVISORY) == valid
        step = (int(block["sequence"]) - sequence) & 0xFFFF
        assert 1 <= step < 0x8000 if valid else step < 0x8000
        assert 1 <= (int(block["heartbeat"]) - heartbeat) & 0xFFFF < 0x8000
        sequence, heartbeat = int(block["sequence"]), int(block["heartbeat"])
        reasons.add(Reason(int(block["reason"])))
    return reasons


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_day_of_outages_breaks_no_promise(seed: int, days: int) -> None:
    dice = random.Random(seed)
    random.seed(seed)
    async with site("abc", period=PERIOD) as s:
        s.scan.table = s.table = watched = Watched(s.table._longest_age)
        model = FormulaModel(manifest(period=PERIOD, max_gap=PERIOD))
        machines = {"m": s.machine("m", "a", "c", model), "n": s.machine("n", "b", "b", model)}
        valid = dict.fromkeys(machines, 0)
        for name, machine in machines.items():
            judge = machine.judge

            def counted(answer: object, now: int, name: str = name, judge: object = judge) -> None:
                judge(answer, now)  # type: ignore[operator]
                valid[name] += machines[name].verdict.valid

            machine.judge = counted  # type: ignore[method-assign]
        s.start()
        for name, driver in s.drivers.items():
            s.spawner.create_task(trouble(random.Random(dice.random()), driver, name))
        s.spawner.create_task(bad_model(random.Random(dice.random()), model))
        await s.run(days * DAY)
        for name, machine in machines.items():
            assert machine._sequence == valid[name] & 0xFFFF
            assert not machine.latched
        seen = check_frames(s, "m", "c") | check_frames(s, "n", "b")
    assert watched.images == s.scan.cycles
    assert s.scan.cycles + s.scan.overruns == pytest.approx(days * DAY / PERIOD, abs=2)
    assert s.scan.overruns == 0
    assert min(valid.values()) > 0.5 * days * DAY / PERIOD
    assert seen >= {Reason.NONE, Reason.NO_LINK, Reason.NOT_FINITE, Reason.DEVICE_REFUSED, Reason.MODEL_DOWN}
