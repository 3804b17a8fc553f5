"""`/healthz` and `/readyz` where something hangs or is missing: the page's own server, over its port."""

import asyncio
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from agent_process import AgentProcess, small_bundle, until
from http_client import Http, Reply
from memory_site import FormulaModel, manifest, site
from modbus_proxy import free_port
from plc_line import device, machine, start_plant

from edge_agent import bundle, health
from edge_agent.bundles.store import Store
from edge_agent.config.web import Web
from edge_agent.historian import Historian
from edge_agent.observed import Observed
from edge_agent.web.page import Page

pytestmark = pytest.mark.sockets


def web(port: int) -> Web:
    return Web(host="127.0.0.1", port=port, token="", certificate="", language="", hosts=[], loopback=True)


async def ask(http: Http, path: str, status: int) -> Reply:
    """Ask until the answer has this status."""
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError):
                if (reply := await asyncio.to_thread(http.get, path)).status == status:
                    return reply
            await asyncio.sleep(0.05)


async def test_what_hangs_is_told_and_the_watchdog_would_see_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LATE", 2.0)
    historian, http = Historian(tmp_path), Http(free_port())
    historian.open()
    async with site() as s:
        s.machine("m", "a", "a", FormulaModel(manifest()))
        config = SimpleNamespace(devices=[])
        parts: Any = SimpleNamespace(scans=[s.scan], models=[], machines=[], config=config)
        page = Page(Observed(lambda: parts, historian, 0.0), s.spawner)
        page.start(web(http.port))
        waiting = await ask(http, "/healthz", 503)
        assert waiting.json == {"hung": "scan every 0.1 s"}
        assert (await ask(http, "/readyz", 503)).json == {"missing": ["scan every 0.1 s"]}
        s.start()
        running = s.spawner.create_task(s.scan.run())
        assert (await ask(http, "/healthz", 200)).json == {"hung": ""}
        assert (await ask(http, "/readyz", 200)).json == {"missing": []}
        s.scan.stop()
        await running
        assert (await ask(http, "/healthz", 503)).json == {"hung": "scan every 0.1 s"}
        s.spawner.create_task(s.scan.run())
        await ask(http, "/healthz", 200)
        # A bug in the writer's thread ends it.
        monkeypatch.setattr(historian, "_timed", None)
        monkeypatch.setattr("threading.excepthook", lambda _: None)
        historian.event("m", "test", "the last one")
        assert (await ask(http, "/healthz", 503)).json == {"hung": "historian"}
        s.scan.stop()


def test_an_agent_without_a_model_is_healthy_and_not_ready(dense_tflite: bytes, tmp_path: Path) -> None:
    """Its bundle is damaged on the disk, so it runs without: restarting it would not help."""
    config, http = tmp_path / "config.toml", Http(free_port())
    path = tmp_path / "pump.bundle"
    small_bundle(path, dense_tflite, name="pump")
    data = bundle.load(path)
    store = Store(tmp_path / "state", "pump")
    file = store.install(data, bundle.decode(data, path), "", "test")
    with store.changing() as record:
        record.activate(file)
    (store.folder / file).write_bytes(data[:100])
    with start_plant(free_port()) as plant:
        text = machine("alpha", "a", "a").replace('"small.bundle"', '"pump"')
        config.write_text(
            f'[agent]\nstate = "state"\n{device("a", plant.modbus_port)}{text}'
            f'[web]\nlisten = "127.0.0.1:{http.port}"\n'
        )
        with AgentProcess(config) as agent:
            until(lambda: http.there() and http.get("/healthz").status == 200, "healthy", 60)
            reply = http.get("/readyz")
            assert (reply.status, [missing.split()[0] for missing in reply.json["missing"]]) == (
                503,
                ["model"],
            )
            assert agent.terminate() == 0
