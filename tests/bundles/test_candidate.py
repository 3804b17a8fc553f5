"""A candidate beside a machine, in virtual time: it never holds the machine up; its counts are kept."""

import asyncio
import dataclasses
import math
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from memory_site import FormulaModel, Site, frames, manifest, site

from edge_agent import build
from edge_agent.bundles.candidate import Candidate, read_tally, tally_path
from edge_agent.config import Config, schema
from edge_agent.core.comparison import Promotion
from edge_agent.machine import Machine


def beside(s: Site, machine: Machine, folder: Path, model: FormulaModel) -> Candidate:
    model.bundle = dataclasses.replace(model.bundle, sha256="cd" * 32)
    what = schema.Beside(bundle=model.bundle, columns=[0, 1, 2, 3], constants=())
    config = msgspec.structs.replace(machine._config, promotion=Promotion(cycles=10))
    machine.candidate = Candidate(config, what, model, folder, s.spawner)  # type: ignore[arg-type]
    return machine.candidate


async def run(folder: Path, seconds: float, **changes: Any) -> tuple[Candidate, list[Any]]:
    async with site() as s:
        model = FormulaModel(manifest())
        machine = s.machine("m", "a", "a", model)
        other = FormulaModel(manifest())
        for name, value in changes.items():
            setattr(other, name, value)
        candidate = beside(s, machine, folder, other)
        s.start()
        await s.run(seconds)
        await asyncio.sleep(1.0)
        sent = [block for _, block in frames(s.drivers["a"], "m")]
    return candidate, sent


async def test_it_sees_what_the_machine_sees_and_writes_nothing(tmp_path: Path) -> None:
    candidate, sent = await run(tmp_path, 3.05)
    valid = [block for block in sent if block["reason"] == 0]
    assert candidate.tally.cycles == len(valid) > 20
    assert (candidate.tally.flips, candidate.tally.missed, candidate.tally.largest) == (0, 0, 0.0)
    assert [block["sequence"] for block in valid] == list(range(1, len(valid) + 1))
    assert "may be promoted" in candidate.news()
    assert candidate.news() == ""


async def test_a_slow_one_misses_ticks_and_the_machine_none(tmp_path: Path) -> None:
    prompt, expected = await run(tmp_path, 3.05)
    slow, sent = await run(tmp_path / "slow", 3.05, delay=0.25)
    assert [b["sequence"] for b in sent] == [b["sequence"] for b in expected]
    assert slow.tally.missed > slow.tally.cycles > 0
    assert slow.tally.cycles + slow.tally.missed <= prompt.tally.cycles


async def test_its_counts_outlive_a_restart_but_not_another_bundle(tmp_path: Path) -> None:
    first, _ = await run(tmp_path, 2.05)
    first.keep()
    kept = read_tally(tally_path(tmp_path, "m"))
    assert kept is not None
    assert kept.cycles == first.tally.cycles
    again, _ = await run(tmp_path, 2.05)
    assert again.tally.cycles == 2 * first.tally.cycles
    path = tally_path(tmp_path, "m")
    path.write_bytes(path.read_bytes().replace(b"cdcd", b"efef"))
    other, _ = await run(tmp_path, 2.05)
    assert other.tally.cycles == first.tally.cycles


async def test_another_promotion_counts_from_the_reload_on(tmp_path: Path) -> None:
    async with site() as s:
        machine = s.machine("m", "a", "a", FormulaModel(manifest()))
        candidate = beside(s, machine, tmp_path, FormulaModel(manifest()))
        what = schema.Beside(bundle=candidate.bundle, columns=[0, 1, 2, 3], constants=())
        config = msgspec.structs.replace(machine._config, candidate=what, promotion=Promotion(cycles=99))
        whole = Config(name="t", state=str(tmp_path), devices=[], machines=[config])
        assert build._beside(config, machine, whole, s.spawner, {}) is candidate
        assert candidate.wanted.cycles == 99


def test_what_an_answer_takes_is_measured_under_uvloop_too(tmp_path: Path) -> None:
    """Its clock has whole milliseconds, and an answer takes some microseconds."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        candidate, _ = runner.run(run(tmp_path, 1.55))
    p50, p99 = candidate.times
    assert not math.isnan(p50)
    assert 0 < p50 <= p99
