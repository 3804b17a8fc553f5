"""Mosquitto is stopped and started again, with persistence, while results go on coming; a host beside it."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from broker import History, Host, config_of, table, telling
from mosquitto import Broker

pytestmark = pytest.mark.sockets
MACHINES = ("pump", "fan")
STATE = "spBv1.0/STATE/SCADA"


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    folder = f"persistence_location {tmp_path}/"
    return Broker(tmp_path, "allow_anonymous true", "persistence true", folder)


async def scada(broker: Broker, host: Host) -> None:
    """A primary host application as Sparkplug 3.0.0, 5.4 has it: its will says that it is offline."""
    while True:
        at = time.time_ns() // 1_000_000
        word = {online: json.dumps({"online": online, "timestamp": at}) for online in (False, True)}
        will = aiomqtt.Will(STATE, word[False], qos=1, retain=True)
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", broker.port, will=will, timeout=2) as client:
                await client.subscribe("spBv1.0/plant/#", qos=1)
                await client.publish(STATE, word[True], qos=1, retain=True)
                await host.listen(client)
        await asyncio.sleep(0.6)  # longer than the gateway: it has to wait for the host, not for the broker


async def results(history: History, said: list[float]) -> None:
    """One of every machine, some fifty times a second; the score says which."""
    while True:
        said.append(len(said) + 1.0)
        for machine in MACHINES:
            history.add(machine, 1000.0 + len(said), said[-1])
        history.commit()
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(*work: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def test_a_broker_that_is_restarted_costs_nothing(
    broker: Broker, history: History, tmp_path: Path
) -> None:
    """What was under way comes again with its time, and nothing else (decision 0022)."""
    host, said = Host(), list[float]()
    config = config_of(tmp_path / "state", *MACHINES)
    broker.start()
    hosting = asyncio.create_task(scada(broker, host))
    async with running(hosting), telling(config, table(broker.port, primary="SCADA")):
        await host.until(lambda: host.of("DBIRTH", "fan"), "born")
        coming = asyncio.create_task(results(history, said))
        async with running(coming):
            for births in range(2, 5):
                await host.until(lambda: host.told("fan", "Score", late=False)[20:], "results")
                before = len(said)
                await asyncio.to_thread(broker.stop)
                while len(said) < before + 50:  # noqa: ASYNC110 - rows tell nobody
                    await asyncio.sleep(0.02)
                await asyncio.to_thread(broker.start)
                await host.until(lambda b=births: len(host.of("NBIRTH")) >= b, "born again")
        for machine in MACHINES:
            await host.until(lambda m=machine: len(scores(host, m)) == len(said), "all is told")
        births = len(host.of("NBIRTH"))
    broker.kill()
    for machine in MACHINES:
        assert scores(host, machine) == set(said)
        live, late = (host.told(machine, "Score", late=late) for late in (False, True))
        assert live == sorted(live)
        assert len(late) >= 3 * 50
        assert list(dict.fromkeys(late)) == sorted(set(late)), "in order, but for what came twice"
        twice = [one for one in {*live, *late} if [*live, *late].count(one) > 1]
        assert len(twice) <= births * 25, "no more than was under way"


def scores(host: Host, machine: str) -> set[float]:
    return {value for _, value in host.told(machine, "Score") if value is not None}
