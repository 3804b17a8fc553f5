"""The demo's pump and the agent beside it, as processes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_process import until
from http_client import Http
from modbus_proxy import free_port
from mosquitto import Broker
from page_rig import SECTIONS, TOKEN, Plant
from playwright.async_api import Page, expect

from edge_agent.demo import site
from edge_agent.plant.process import PlantProcess

LARGEST = 150_000
"""Bytes of a picture: the documents are on the gateway, too."""
SHOTS = "EDGE_AGENT_SCREENSHOTS"
"""A folder for the pictures of the documents; without it they are made and thrown away."""


@pytest.fixture
def photograph(tmp_path: Path) -> Callable[[Page, str], object]:
    """Takes a picture of what is on the screen, in each language, and goes on in the first."""
    folder = Path(os.environ.get(SHOTS, tmp_path))

    async def take(page: Page, name: str) -> None:
        for language in ("de", "zh", "en"):
            await page.locator("#language").select_option(language)
            await expect(page.locator("html")).to_have_attribute("lang", language)
            await expect(page.locator("#range")).not_to_contain_text("\u2026")  # of what is being loaded
            path = folder / f"{name}.{language}.png"
            await page.screenshot(path=path)
            assert path.stat().st_size < LARGEST, path
        await page.evaluate("localStorage.clear()")

    return take


@pytest.fixture(scope="module")
def pump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("pump")
    secret = folder / "page"
    secret.write_text(TOKEN + "\n", encoding="utf-8")
    secret.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch, PlantProcess() as plant:
        patch.setitem(os.environ, "CREDENTIALS_DIRECTORY", str(folder))
        assert plant.opcua_port is not None
        config = site.make(folder, None, plant.modbus_port, plant.opcua_port)
        port, broker = free_port(), Broker(folder)
        with config.open("a", encoding="utf-8") as file:
            file.write(SECTIONS.format(port=port, broker=broker.port))
        broker.start()
        yield Plant(plant, config, Http(port), broker)
        broker.kill()


@pytest.fixture(scope="module")
def running(pump: Plant) -> Iterator[Plant]:
    """The same, with the agent running and ready."""
    with pump.agent():
        until(pump.ready, "the page says ready", 60)
        yield pump
