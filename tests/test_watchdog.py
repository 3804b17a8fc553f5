"""What systemd is told, in virtual time: READY after the first complete cycle, WATCHDOG by progress."""

import asyncio
import math
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from memory_site import Beating, FormulaModel, Site, bundle_of, frames, manifest, site

from edge_agent import health
from edge_agent.core.resultblock import BEAT, State
from edge_agent.core.tags import Reason
from edge_agent.inference.host import ModelHost

pytestmark = pytest.mark.timeout(60)


class Systemd:
    """Reads the messages that a service sends."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))

    def heard(self) -> list[str]:
        """Messages since the last look."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(65536).decode())
            except BlockingIOError:
                return messages

    async def over(self, seconds: float) -> list[str]:
        """Messages of the coming seconds; the socket holds few."""
        messages = self.heard()
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(BEAT)
            messages += self.heard()
        return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    listening = Systemd(tmp_path / "notify")
    yield listening
    listening.close()


async def never(*_: object) -> None:
    await asyncio.get_running_loop().create_future()


def no_thought(s: Site, model: FormulaModel, beating: Beating) -> None:
    model.delay = 1e9


def no_cycle(s: Site, model: FormulaModel, beating: Beating) -> None:
    s.scan._cycle = never  # type: ignore[method-assign]


def no_read(s: Site, model: FormulaModel, beating: Beating) -> None:
    s.drivers["c"].read = never  # type: ignore[assignment]


def no_write(s: Site, model: FormulaModel, beating: Beating) -> None:
    beating.machine.publisher.publish = never  # type: ignore[method-assign]


def no_turn(s: Site, model: FormulaModel, beating: Beating) -> None:
    beating.app._historian._turns.stuck = lambda limit: True  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("stick", "name"),
    [
        (no_cycle, "scan every 0.1 s"),
        (no_thought, "model of m"),
        (no_read, "reading of c"),
        (no_write, "writing of m"),
        (no_turn, "historian"),
    ],
)
async def test_the_watchdog_is_fed_only_while_everything_makes_progress(
    stick: Callable[[Site, FormulaModel, Beating], None], name: str, systemd: Systemd, tmp_path: Path
) -> None:
    async with site("abc") as s:
        model = FormulaModel(manifest())
        machine = s.machine("m", "a", "b", model)
        beating = Beating(s, machine, tmp_path)
        await s.begin(0)
        assert (await systemd.over(10))[-1] == "WATCHDOG=1"
        stick(s, model, beating)
        said = await systemd.over(health.STUCK + 5)
        assert f"STATUS=waiting for {name}" in said
        assert "WATCHDOG=1" not in await systemd.over(60)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


async def test_a_silent_plant_and_a_late_model_are_no_reason_to_restart(
    systemd: Systemd, tmp_path: Path
) -> None:
    async with site("abc") as s:
        model = FormulaModel(manifest())
        machine = s.machine("m", "a", "b", model)
        Beating(s, machine, tmp_path)
        await s.begin(10)
        s.drivers["c"].absent = True
        s.drivers["c"].lose()
        s.drivers["b"].silent = True
        model.delay, model.answer = 0.25, lambda rows: Reason.MODEL_LATE
        said = await systemd.over(600)
        assert said.count("WATCHDOG=1") > 0.9 * 600 / BEAT
        s.drivers["b"].silent = False
        await s.end()


async def test_a_late_answer_takes_the_score_out_of_the_block_at_its_deadline(tmp_path: Path) -> None:
    """Also where the next result is far off, and the heartbeat goes on with what the block says."""
    async with site("ab", period=60.0) as s:
        model = FormulaModel(manifest(period=60.0))
        machine = s.machine("m", "a", "b", model)
        Beating(s, machine, tmp_path)
        await s.begin(6 * 60 - 5)
        assert machine.verdict.valid
        model.delay, model.answer = 30.0, lambda rows: Reason.MODEL_LATE
        asked = asyncio.get_running_loop().time() + 5
        await asyncio.sleep(5 + 59)
        blocks = [(at - asked, block) for at, block in frames(s.drivers["b"], "m") if at > asked]
        before = [block for at, block in blocks if at < 30.0]
        after = [block for at, block in blocks if at > 30.1]
        assert {math.isnan(block["score"]) for block in before} == {False}
        assert len({block["sequence"] for block in before}) == 1, "it is not shown as new"
        assert len(after) > 20
        assert all(math.isnan(b["score"]) and b["state"] == State.FAULT for b in after)
        model.delay = 0.0
        await s.end()


def unproven() -> ModelHost:
    return ModelHost("dense", replace(bundle_of(manifest()), model=b"TFL3"), 0.25)


@pytest.mark.parametrize("devices_answer", [True, False])
async def test_ready_waits_for_the_models_and_then_for_a_whole_cycle(
    devices_answer: bool, systemd: Systemd, tmp_path: Path
) -> None:
    async with site("ab", period=1.0) as s:
        for driver in s.drivers.values():
            driver.absent = not devices_answer
        host = unproven()
        machine = s.machine("m", "a", "b", FormulaModel(manifest(period=1.0)))
        Beating(s, machine, tmp_path, host)
        await s.begin(0)
        assert "READY=1" not in await systemd.over(3.25)
        host.failures = 1  # or a child that is proven
        assert "READY=1" not in await systemd.over(0.5), "there was no cycle since"
        assert (await systemd.over(0.75)).count("READY=1") == 1
        assert "READY=1" not in await systemd.over(5)
        await s.end()


async def test_ready_comes_in_a_bounded_time(systemd: Systemd, tmp_path: Path) -> None:
    """A model that takes for ever and a scan that is rare make no start that systemd gives up."""
    async with site("ab", period=600.0) as s:
        machine = s.machine("m", "a", "b", FormulaModel(manifest(period=600.0)))
        Beating(s, machine, tmp_path, unproven())
        await s.begin(0)
        assert "READY=1" not in await systemd.over(health.LONGEST_PROOF - 1)
        assert "READY=1" in await systemd.over(health.LATE + 2)
        await s.end()
