"""What is old is never shown as if it were of now, whichever clock or line it was that failed."""

import asyncio
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from page_rig import chromium
from playwright.async_api import Page, expect
from stage import all_well, staged

from edge_agent.web import feed

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]
WAIT = 40_000


async def live(page: Page) -> None:
    await expect(page.locator(".tile .word")).to_have_text("Normal", timeout=WAIT)
    await expect(page.locator(".tile .score span").first).to_have_text("0.113")
    await expect(page.locator("#lost")).to_be_hidden()


async def unknown(page: Page, why: str = "NO CONNECTION") -> None:
    """The page says that it knows nothing, and shows no number as if it were of now."""
    await expect(page.locator("#lost")).to_contain_text(why, timeout=WAIT)
    await expect(page.locator(".tile .word")).to_have_text("Unknown")
    await expect(page.locator(".tile")).to_contain_text("last known: Normal")
    assert await page.locator(".tile .score").count() == 0
    assert set(await page.locator("#trends figcaption output").all_text_contents()) == {"\u2013"}
    await expect(page).to_have_title(re.compile("^no connection"))
    assert "Normal" not in await page.locator("header").inner_text()


async def test_an_agent_that_hangs_with_the_connection_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port, clock=True) as page:
        await live(page)
        monkeypatch.setattr(feed, "EVERY", 3600.0)
        await asyncio.sleep(1.5)  # the one that was under way
        await page.clock.fast_forward(5000)
        await unknown(page)


async def test_an_agent_that_answers_and_makes_no_progress(tmp_path: Path) -> None:
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port) as page:
        await live(page)
        stage.stuck.append("scan every 0.1 s")
        await unknown(page, "Waits for: scan every 0.1 s. What is shown is of")
        stage.stuck.clear()
        await live(page)


async def test_a_laptop_that_slept_knows_it_at_once(tmp_path: Path) -> None:
    """Its monotonic clock stood still meanwhile, so only the other one tells."""
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port, clock=True) as page:
        await live(page)
        await page.context.set_offline(True)
        await page.clock.set_system_time(time.time() + 3600)
        await page.evaluate("document.dispatchEvent(new Event('resume'))")
        assert await page.locator(".tile .word").text_content() == "Unknown"
        await unknown(page)
        await page.context.set_offline(False)
        await live(page)


async def test_what_was_under_way_for_long_is_not_of_now(tmp_path: Path) -> None:
    """As after a sleep, when what waited in the line comes all at once; a clock that was set heals itself."""
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port, clock=True) as page:
        await live(page)
        await page.clock.set_system_time(time.time() + 10)
        await unknown(page)
        told = await page.locator("#clock").text_content()
        await expect(page.locator("#clock")).not_to_have_text(told or "")
        await unknown(page)
        await page.clock.fast_forward(13_000)
        await live(page)


async def test_a_gateway_whose_clock_is_set_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port) as page:
        await live(page)
        for jump in (-7200.0, 7200.0):
            monkeypatch.setattr(feed, "time", SimpleNamespace(time=lambda j=jump: time.time() + j))
            hour = time.strftime("%H:", time.localtime(time.time() + jump))
            await expect(page.locator("#clock")).to_contain_text(hour, timeout=WAIT)
            await live(page)
            shown = await page.locator("#trends .plot").first.get_attribute("aria-label")
            assert shown == "Score bearing_wear: 0.113; from 0.113 to 0.113"
