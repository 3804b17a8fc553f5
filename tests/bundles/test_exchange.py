"""A machine gets another bundle between two cycles, in virtual time, where every tick can be counted."""

import asyncio
import dataclasses
from typing import Any

import dense_model
import msgspec
import numpy as np
from dense_model import limited
from memory_site import FormulaModel, Site, frames, manifest, site

from edge_agent.core.manifest import Limits
from edge_agent.core.steps import Affine
from edge_agent.scan import Scan


class Release(FormulaModel):
    """The formula model as a release of its own: its answers differ by `shift`."""

    def __init__(self, sha256: str, shift: float, **changes: Any) -> None:
        super().__init__(manifest(**changes))
        self.bundle = dataclasses.replace(self.bundle, model=b"model", sha256=sha256)
        self.answer = lambda rows: dense_model.expected(rows) + shift


async def exchanged(s: Site, first: Release, second: Release) -> list[tuple[float, dict[str, float]]]:
    """Run a second with the first, exchange in the middle of a pause, run on; return the frames."""
    machine = s.machine("m", "a", "a", first)
    await s.begin(1.05)
    successor = Scan(s.scan.period, s.table, s.spawner)
    successor.classes = s.scan.classes
    successor.add(machine, second)  # type: ignore[arg-type]
    machine.exchange(msgspec.structs.replace(machine._config, bundle=second.bundle), second)  # type: ignore[arg-type]
    machine.rewire(s.wirings[0])
    await s.scan.adopt(successor)
    await asyncio.sleep(1.0)
    await s.end()
    assert s.scan.overruns == 0
    assert s.scan.cycles == 21
    return frames(s.drivers["a"], "m")


def the_same_again(sent: list[tuple[float, dict[str, float]]]) -> None:
    """Every tick since the window filled has its frame, and each is the next one's predecessor."""
    valid = [(at, block) for at, block in sent if block["reason"] == 0]
    np.testing.assert_allclose(np.diff([at for at, _ in valid]), 0.1, atol=1e-6)
    assert [block["sequence"] for _, block in valid] == list(range(1, len(valid) + 1))
    beats = [block["heartbeat"] for _, block in sent]
    assert beats == list(range(int(beats[0]), int(beats[0]) + len(beats)))


async def test_no_cycle_is_lost_and_the_window_goes_on() -> None:
    async with site() as s:
        sent = await exchanged(s, Release("a1" * 32, 0.0), Release("b2" * 32, 0.125, version="2"))
    the_same_again(sent)
    valid = [block for _, block in sent if block["reason"] == 0]
    assert len(valid) == 21 - 4
    bundles = [int(block["bundle"]) for block in valid]
    assert set(bundles) == {0xA1A1A1A1, 0xB2B2B2B2}
    change = bundles.index(0xB2B2B2B2)
    assert valid[change]["score"] - valid[change - 1]["score"] == 0.125


async def test_a_window_that_is_filled_otherwise_begins_anew() -> None:
    other = [Affine(offset=[0.0] * 4, scale=[1.0] * 4)]
    async with site() as s:
        sent = await exchanged(s, Release("a1" * 32, 0.0), Release("b2" * 32, 0.0, steps=other))
    since = [block for _, block in sent if int(block["bundle"]) == 0xB2B2B2B2]
    assert [block["reason"] != 0 for block in since[:4]] == [True, True, True, False]


async def test_an_alarm_of_the_same_limits_goes_on_without_a_second_raise() -> None:
    limits = limited(Limits(on=0.1, off=0.05))
    async with site() as s:
        sent = await exchanged(
            s, Release("a1" * 32, 0.0, outputs=limits), Release("b2" * 32, 0.01, outputs=limits)
        )
    alarms = [int(block["alarm"]) & 1 for _, block in sent if block["reason"] == 0]
    assert alarms == [1] * len(alarms)
