"""How the way to the north stands, as the agent says it: there or not, since when, why, and what waits."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiomqtt
import pytest
from asyncua import Client
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from authority import identity
from broker import History, config_of, table, telling
from mosquitto import Broker, free_port
from msgspec.structs import replace

from edge_agent.config.north import North, OpcUaServer
from edge_agent.historian import Historian
from edge_agent.north.cursor import Cursor, Gap
from edge_agent.north.mqtt.publisher import Publisher
from edge_agent.north.opcua import host
from edge_agent.north.opcua.host import OpcUaHost
from edge_agent.pki.folder import PkiFolder

pytestmark = pytest.mark.sockets


async def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)


def test_what_is_not_told_is_what_no_cursor_has_passed() -> None:
    cursor = Cursor(sent=50, gaps=[Gap(3, 7), Gap(20, 30)])
    assert cursor.untold(1, 50) == [Gap(3, 7), Gap(20, 30)]
    assert cursor.untold(1, 52) == [Gap(3, 7), Gap(20, 30), Gap(50, 52)]
    assert cursor.untold(25, 50) == [Gap(24, 30)], "what the history dropped does not wait"
    assert cursor.untold(60, 70) == [Gap(59, 70)]
    assert Cursor(sent=50).untold(1, 20) == [], "a history that was begun anew"


async def test_a_broker_that_is_away_is_told_with_what_waits_for_it(
    broker: Broker, history: History, tmp_path: Path
) -> None:
    config = config_of(tmp_path / "state", "pump")
    began = time.time()
    async with telling(config, table(broker.port)) as publisher:
        assert not publisher.status.connected
        await until(lambda: publisher.status.connected, "connected")
        there = publisher.status
        assert began - 1 < there.since < time.time() + 1
        assert (there.broker, there.error) == (f"127.0.0.1:{broker.port}", "")
        assert (there.waiting, there.oldest, there.room, there.told) == (0, None, 0.0, 0)
        history.add("pump", 1000.0, 0.1)
        history.commit()
        await until(lambda: publisher.status.told == 1, "one is told")

        broker.kill()
        for second in range(40):
            history.add("pump", 2000.0 + second, 0.5)
        history.commit()
        await until(lambda: not publisher.status.connected and publisher.status.waiting == 40, "all wait")
        away = publisher.status
        assert (away.oldest, away.told) == (2000.0, 1)
        assert away.since > there.since
        assert away.error
        history.drop(12)
        await until(lambda: publisher.status.oldest == 2010.0, "the oldest are gone")
        await until(lambda: publisher.status.dropped == 10, "and counted")

        broker.start()
        await until(lambda: publisher.status.waiting == 0, "all is told")
        again = publisher.status
        assert (again.connected, again.oldest, again.told) == (True, None, 31)
        assert again.error, "the last reason stays to be read"


async def test_the_room_that_waiting_results_take_is_of_the_history_s_bound(
    history: History, tmp_path: Path
) -> None:
    config = config_of(tmp_path / "state", "pump")
    small = replace(config, history=replace(config.history, results=1_000_000))
    async with telling(small, table(free_port())) as publisher:
        await until(lambda: publisher.status.error, "the first attempt")
        for second in range(2000):
            history.add("pump", 1000.0 + second, 0.5)
        history.commit()
        await until(lambda: publisher.status.waiting == 2000, "all wait")
        size = history.path.stat().st_size
        assert publisher.status.room == pytest.approx(min(1.0, size / 1_000_000), rel=0.5)


async def test_a_primary_host_that_is_offline_is_as_good_as_no_broker(
    broker: Broker, history: History, tmp_path: Path
) -> None:
    async def says(online: bool, at: int) -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            word = json.dumps({"online": online, "timestamp": at})
            await client.publish("spBv1.0/STATE/SCADA", word, qos=1, retain=True)

    def waits(publisher: Publisher) -> bool:
        return not publisher.status.connected and "primary host SCADA" in publisher.status.error

    config = config_of(tmp_path / "state", "pump")
    async with telling(config, table(broker.port, primary="SCADA")) as publisher:
        await until(lambda: waits(publisher), "nobody listens")
        history.add("pump", 1000.0, 0.5)
        history.commit()
        await until(lambda: publisher.status.waiting == 1, "it waits")
        await says(True, 1)
        await until(lambda: publisher.status.connected and publisher.status.waiting == 0, "told")
        await says(False, 2)
        await until(lambda: waits(publisher), "the host is gone")


async def test_an_opcua_server_says_whether_it_listens_and_to_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(host, "LONGEST_WAIT", 0.1)
    scada = identity("scada", uri="urn:scada")
    certificate, key = scada.save(tmp_path, "client")
    state = tmp_path / "state"
    PkiFolder(state / "pki").add("trusted/certs", scada.der, "scada.der")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        listen = OpcUaServer(host="127.0.0.1", port=port, pki=str(state / "pki"), loopback=True)
        config = replace(config_of(state, "pump"), north=North(opcua_server=listen))
        parts: Any = SimpleNamespace(config=config)
        server = OpcUaHost(lambda: parts, Historian(Path("nowhere")))
        task = asyncio.create_task(server.run())
        await until(lambda: "in use" in server.status.error, "the port is taken", 60)
        assert not server.status.listening
    try:
        await until(lambda: server.status.listening, "it listens", 60)
        assert (server.status.clients, server.status.starts > 1) == (0, True)
        assert server.status.endpoint == f"opc.tcp://127.0.0.1:{port}/"
        client = Client(server.status.endpoint)
        client.application_uri = "urn:scada"
        await client.set_security(SecurityPolicyBasic256Sha256, str(certificate), str(key))
        async with client:
            await until(lambda: server.status.clients == 1, "one client")
        await until(lambda: server.status.clients == 0, "none any more")
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert not server.status.listening
