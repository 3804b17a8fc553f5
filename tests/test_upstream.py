"""A machine that uses the result of another, in virtual time: of the same tick, never one that is none."""

import asyncio

import dense_model
import numpy as np
import pytest
from memory_site import FormulaModel, Site, manifest, site

from edge_agent.core.gate import Gate
from edge_agent.core.manifest import Envelope
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason
from edge_agent.machine import Machine
from edge_agent.upstream import Source

pytestmark = pytest.mark.timeout(20)


class Two:
    """Machine `first`, and `second` whose power is the first one's score. Devices are read on every tick."""

    def __init__(self, s: Site, *, shared: bool = False, **first: object) -> None:
        self.model = FormulaModel(manifest(envelope=first.pop("envelope", None)))
        self.model.answer = lambda rows: np.full((len(rows), 1), 0.25 + 0.001 * len(self.model.batches))
        self.other = self.model if shared else FormulaModel(manifest())
        self.seen: list[np.ndarray] = []
        if not shared:
            self.other.answer = self._look
        self.first: Machine = s.machine("first", "a", "b", self.model, **first)
        source = Source(3, self.first, "wear")
        self.second: Machine = s.machine("second", "a", "b", self.other, sources=[source])

    def _look(self, rows: np.ndarray) -> np.ndarray:
        self.seen.append(rows.reshape(4, 4)[-1, 3] * dense_model.SCALE[3] + dense_model.OFFSET[3])
        return np.full((len(rows), 1), 0.5)


async def test_it_sees_the_result_of_the_same_tick() -> None:
    async with site("ab") as s:
        two = Two(s)
        s.start()
        await s.run(3.05)
        assert two.second.verdict.valid
        assert two.second.inputs.value[3] == two.first.verdict.score
        number = len(two.model.batches)
        expected = 0.25 + 0.001 * np.arange(number - len(two.seen) + 1, number + 1)
        np.testing.assert_allclose(two.seen, expected, atol=1e-5)


async def test_machines_of_one_model_think_apart_if_one_needs_the_other() -> None:
    async with site("ab") as s:
        two = Two(s, shared=True)
        s.start()
        await s.run(3.05)
        assert [len(group.machines) for group in s.scan.groups] == [1, 1]
        assert two.second.inputs.value[3] == two.first.verdict.score


async def test_without_a_result_the_input_is_bad_with_the_same_reason() -> None:
    async with site("ab") as s:
        two = Two(s, gate=Gate(running="a.speed > 5"))
        await s.begin()
        assert two.second.verdict.valid
        for answer, reason, state in (
            (Reason.MODEL_LATE, Reason.MODEL_LATE, State.FAULT),
            ([[np.nan]], Reason.MODEL_NOT_FINITE, State.FAULT),
        ):
            healthy, two.model.answer = two.model.answer, lambda rows, said=answer: said
            await asyncio.sleep(0.5)
            assert (two.second.verdict.state, two.second.verdict.reason) == (state, reason)
            assert two.second.verdict.culprit == "power"
            two.model.answer = healthy
            await asyncio.sleep(1)
            assert two.second.verdict.valid
        s.drivers["a"].values["a.speed"] = 0.0
        await asyncio.sleep(0.5)
        assert (two.second.verdict.state, two.second.verdict.reason) == (State.READY, Reason.MACHINE_IDLE)
        await s.end()


async def test_a_result_that_comes_too_late_is_none() -> None:
    async with site("ab") as s:
        two = Two(s)
        await s.begin()
        two.model.delay = 0.09
        await asyncio.sleep(1)
        assert (two.second.verdict.reason, two.second.verdict.culprit) == (Reason.LATE, "power")
        two.model.delay = 0.0
        await asyncio.sleep(1)
        assert two.second.verdict.valid
        await s.end()


async def test_an_uncertain_result_does_not_enter_another_model() -> None:
    envelope = Envelope(low=[0] * 4, high=[99] * 4, rate=[None] * 4, distance=1e9)
    async with site("ab") as s:
        two = Two(s, envelope=envelope)
        await s.begin()
        s.drivers["a"].values["a.speed"] = 120.0
        await asyncio.sleep(0.3)
        assert two.first.verdict.valid
        assert (two.second.verdict.reason, two.second.verdict.culprit) == (Reason.OUT_OF_RANGE, "power")
        await s.end()
