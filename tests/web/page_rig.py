"""The demo's pump with a page, and Chromium in front of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from agent_process import AgentProcess
from http_client import Http
from mosquitto import Broker
from playwright.async_api import Page, async_playwright

from edge_agent.plant.process import PlantProcess

TOKEN = "a token of more than 16 letters"
CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

SECTIONS = """
[machine.pump.alarm]
wait = true
latch = true

[web]
listen = "127.0.0.1:{port}"
token = "page"

[metrics]
textfile = "edge-agent.prom"
every = "1s"

[mqtt]
host = "127.0.0.1"
port = {broker}
group = "plant"
tls = false
"""


class Plant(NamedTuple):
    """A running plant, the agent's configuration, where its page is, and the broker that it tells."""

    plant: PlantProcess
    config: Path
    http: Http
    broker: Broker

    def agent(self) -> AgentProcess:
        return AgentProcess(self.config)

    def ready(self) -> bool:
        return self.http.there() and self.http.get("/readyz").status == 200


@asynccontextmanager
async def chromium(
    port: int, *, locale: str = "en", dark: bool = False, clock: bool = False
) -> AsyncIterator[Page]:
    """A page of a real browser; an error in its scripts, or a breach of its policy, fails the test.

    With `clock` the test may set the browser's clocks.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        page = await browser.new_page(
            viewport={"width": 1280, "height": 800}, locale=locale, color_scheme="dark" if dark else "light"
        )
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda m: (
                wrong.append(m.text)
                if m.type == "error" and "ERR_" not in m.text and "401" not in m.text
                else None
            ),
        )
        if clock:
            await page.clock.install()
        await page.goto(f"http://127.0.0.1:{port}/")
        yield page
        await browser.close()
        assert not wrong, wrong
