"""A broker that is away for an hour of virtual time, every second of which has results."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from broker import config_of, parts_of, table
from virtual import START, Broker, Clock, InStep, gives, history, is_patient, virtual, waits

from edge_agent.config import Config
from edge_agent.config.fields import Delay
from edge_agent.config.north import FleetTable
from edge_agent.fleet import gateway
from edge_agent.north.mqtt import publisher
from edge_agent.north.mqtt.publisher import Publisher

# Waits are random to the last digit, and the virtual clock has microseconds.
pytestmark = pytest.mark.filterwarnings("ignore::async_solipsism.ResolutionWarning")
HOUR = 3600
MACHINES = ("pump", "fan")


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in which a sync takes no time: there are some thousand of them."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder) / "state"


@contextlib.asynccontextmanager
async def running(*tasks: Any) -> AsyncIterator[None]:
    started = [asyncio.create_task(task) for task in tasks]
    try:
        yield
    finally:
        for task in started:
            task.cancel()
        for ended in await asyncio.gather(*started, return_exceptions=True):
            assert isinstance(ended, asyncio.CancelledError), ended


async def results(kept: InStep, clock: Clock, said: list[int]) -> None:
    """One of every machine a second, for ever, numbered from 1."""
    while True:
        said.append(len(said) + 1)
        for machine in MACHINES:
            gives(kept, machine, said[-1], clock.monotonic_ns())
        await asyncio.sleep(1.0)


async def test_nothing_is_lost_nothing_comes_twice_and_every_metric_is_in_order(
    in_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, broker, kept = virtual(monkeypatch), Broker(), history(in_memory)
    monkeypatch.setattr(publisher, "connection", broker.connection)
    config = config_of(in_memory, *MACHINES)
    parts = parts_of(config)
    telling = Publisher(table(1883, forward=50), in_memory, lambda: parts)
    said: list[int] = []
    async with running(kept.run(), telling.run(), results(kept, clock, said)):
        await asyncio.sleep(60.5)
        assert telling.status.connected
        broker.away = True
        left = clock.monotonic()
        await asyncio.sleep(HOUR)
        assert not telling.status.connected
        assert abs(telling.status.waiting / len(MACHINES) - HOUR) < 10
        is_patient(waits(broker.attempts, left))
        broker.away = False
        back = clock.monotonic()
        births = len(broker.host.of("NBIRTH"))
        while telling.status.waiting > len(MACHINES):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(10)
        assert clock.monotonic() - back >= HOUR * len(MACHINES) / 50, "at most `forward` a second"
        assert len(broker.host.of("NBIRTH")) == births + 1
        await asyncio.sleep(30)
        last = broker.host.told("pump", "Score", late=False)[-1][0] / 1000 - START
        assert clock.monotonic() - last < 5, "what is new does not wait"
    kept.close()
    for machine in MACHINES:
        for metric, number in (
            ("Score", lambda value: round(value * 1e6)),
            ("Outputs/wear/Value", round),
            ("Inputs/a.flow", lambda value: round(value - 0.25)),
        ):
            live, late = (broker.host.told(machine, metric, late=late) for late in (False, True))
            assert live == sorted(live)
            assert late == sorted(late)
            numbers = [number(value) for _, value in [*live, *late]]
            assert len(numbers) == len(set(numbers)), "nothing comes twice"
            # What was born with is not told again, and the last second may be on its way to the disk.
            assert set(said) - set(numbers) <= {1, 2, *said[-3:]}
            assert len(late) >= HOUR
        states = sorted(broker.host.told(machine, "State"))
        assert [value for _, value in states].count("FALLBACK") >= len(said) // 100 - 1


async def test_a_gateway_waits_as_patiently_for_its_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual(monkeypatch)
    broker = Broker()
    broker.away = True
    monkeypatch.setattr(gateway, "connection", broker.connection)
    config = Config(name="gw", state=str(tmp_path), devices=[], machines=[])
    parts: Any = SimpleNamespace(config=config, devices=[], machines=[])
    fleet = FleetTable(group="hall", trust=str(tmp_path), spread=Delay(0))
    kept: Any = None
    async with running(gateway.FleetGateway(config, table(1883), fleet, lambda: parts, kept).run()):
        await asyncio.sleep(HOUR)
    first, *attempts = broker.attempts
    is_patient(waits(attempts, first))
