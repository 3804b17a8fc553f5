"""A reload that changes [web]: applied whole or not at all, and open pages are told."""

import asyncio
import json
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from agent_process import AgentProcess, small_bundle, until
from http_client import Http
from modbus_proxy import free_port
from page_rig import chromium
from playwright.async_api import expect
from plc_line import device, machine

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]
WAIT = 40_000


class Site:
    """One absent PLC, one machine, a page."""

    def __init__(self, folder: Path) -> None:
        self.config, self._plc = folder / "c.toml", free_port()

    def write(self, web: str, mode: str = "shadow") -> None:
        plant = device("a", self._plc) + machine("alpha", "a", "a", mode)
        self.config.write_text(f'[agent]\nstate = "state"\n{plant}{web}', encoding="utf-8")

    def reload(self, agent: AgentProcess, web: str, mode: str = "shadow") -> str:
        """Change the configuration and return the line that says what became of it."""
        self.write(web, mode)
        mark = len(agent.lines)
        agent.process.send_signal(signal.SIGHUP)

        def said() -> list[str]:
            return [line for line in agent.lines[mark:] if "in force" in line]

        return until(said, "the end of the reload", 60)[0]


@pytest.fixture
def site(dense_tflite: bytes, tmp_path: Path) -> Site:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    return Site(tmp_path)


def web(port: int, more: str = "", host: str = "127.0.0.1") -> str:
    return f'[web]\nlisten = "{host}:{port}"\n{more}'


@contextmanager
def stream(port: int) -> Iterator[Callable[[], list[tuple[str, Any]]]]:
    """An open page; what is returned reads all that comes until the stream ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        lines = sock.makefile("r", encoding="utf-8")
        while not lines.readline().startswith("event: layout"):
            pass

        def rest() -> list[tuple[str, Any]]:
            told = re.findall(r"^event: (\w+)\ndata: (.*)$", lines.read(), re.MULTILINE)
            return [(name, json.loads(data)) for name, data in told]

        with lines:
            yield rest


def test_the_page_moves_and_who_has_it_open_is_told(site: Site) -> None:
    here, there = Http(free_port()), Http(free_port())
    site.write(web(here.port))
    with AgentProcess(site.config) as agent:
        until(here.there, "the page", 60)
        with stream(here.port) as rest:
            assert "the new configuration is in force" in site.reload(agent, web(there.port, 'token = "t"\n'))
            name, moved = rest()[-1]
        assert name == "moved"
        assert moved == {
            "before": here.port, "scheme": "http", "host": "127.0.0.1", "port": there.port, "follows": True,
        }  # fmt: skip
        assert there.get("/healthz").status == 200
        assert not here.there()
        # The new one has a token, which the one before had not.
        assert there.post("/api/order", {"do": "acknowledge", "machine": "alpha"}).status == 503

        # The same port of all addresses, while the page still has it at one of them.
        site.reload(agent, web(there.port, host="0.0.0.0"))
        until(there.there, "the page at every address")
        with stream(there.port) as rest:
            site.reload(agent, "")
            assert rest()[-1] == (
                "moved",
                {"before": there.port, "scheme": "", "host": "", "port": 0, "follows": False},
            )
        assert not there.there()
        site.reload(agent, web(here.port))
        until(here.there, "the page, switched on again")
        assert agent.terminate() == 0
        assert "Traceback" not in "\n".join(agent.lines)


def test_what_cannot_be_leaves_the_page_and_all_else_as_it_was(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    here = Http(free_port())
    site.write(web(here.port))
    with AgentProcess(site.config) as agent, socket.create_server(("127.0.0.1", 0)) as taken:
        until(here.there, "the page", 60)
        for wrong, why in (
            (web(taken.getsockname()[1]), "Address already in use"),
            (web(here.port, 'certificate = "nowhere"\n'), "credential nowhere"),
            (web(free_port(), host="192.0.2.1"), "Cannot assign requested address"),
        ):
            assert "the configuration before stays in force" in site.reload(agent, wrong, "advisory")
            assert any("reload: web: " in line and why in line for line in agent.lines), why
            assert here.get("/api/status").json["machines"][0]["mode"] == "shadow"
        assert "the new configuration" in site.reload(agent, web(here.port), "advisory")
        assert here.get("/api/status").json["machines"][0]["mode"] == "advisory"
        text, mark = site.config.read_text(encoding="utf-8"), len(agent.lines)
        site.config.write_text(text.partition("[machine.alpha]")[0], encoding="utf-8")
        agent.process.send_signal(signal.SIGHUP)
        until(
            lambda: any("reload: refused" in line for line in agent.lines[mark:]), "a refusal of half a file"
        )
        assert any("reload: machine.alpha is in force" in line for line in agent.lines[mark:])
        assert here.get("/api/status").json["machines"][0]["mode"] == "advisory"


async def test_a_page_on_a_panel_follows_or_says_that_it_was_switched_off(site: Site) -> None:
    here, there = free_port(), free_port()
    site.write(web(here))
    with AgentProcess(site.config) as agent:
        until(Http(here).there, "the page", 60)
        async with chromium(here) as page:
            await expect(page.locator("#link")).to_contain_text("live", timeout=WAIT)
            await asyncio.to_thread(site.reload, agent, web(there, 'language = "de"\n'))
            await expect(page).to_have_url(f"http://127.0.0.1:{there}/", timeout=WAIT)
            await expect(page.locator("#link")).to_contain_text("verbunden", timeout=WAIT)
            await asyncio.to_thread(site.reload, agent, "")
            await expect(page.locator("#lost")).to_contain_text(
                "in der Konfiguration abgeschaltet", timeout=WAIT
            )
            await expect(page.locator(".tile .word")).to_have_text("Unbekannt")
            await asyncio.to_thread(site.reload, agent, web(there, 'language = "de"\n'))
            await expect(page.locator("#link")).to_contain_text("verbunden", timeout=WAIT)
            await expect(page.locator("#lost")).to_be_hidden()
