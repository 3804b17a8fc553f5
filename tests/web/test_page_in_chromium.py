"""The page in a real browser: a bearing wears, the page says so, it is acknowledged, the agent restarts."""

import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from agent_process import until
from page_rig import TOKEN, Plant, chromium
from playwright.async_api import Locator, Page, expect

from edge_agent.demo.panel import Panel

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(180)]
WAIT = 40_000
"""Milliseconds for what the plant, the model or a restart has to do first."""


def tile(page: Page) -> Locator:
    return page.locator(".tile", has_text="pump")


async def test_a_wearing_bearing_is_seen_acknowledged_and_not_forgotten_over_a_restart(
    pump: Plant, photograph: Callable
) -> None:
    with ExitStack() as stack:
        agent = stack.enter_context(pump.agent())
        until(pump.ready, "the page says ready", 60)
        async with chromium(pump.http.port) as page:
            await expect(tile(page)).to_have_class(re.compile("normal"), timeout=WAIT)
            await expect(tile(page)).to_contain_text("Normal")
            await expect(page.locator("#trends canvas")).to_have_count(9)
            with Panel(pump.plant.modbus_port) as panel:
                panel.wear_the_bearing(5)

            await expect(tile(page)).to_have_class(re.compile("alarm"), timeout=WAIT)
            for said in ("ALARM", "bearing_wear", "active, not acknowledged", "since", "vibration "):
                await expect(tile(page)).to_contain_text(said)
            red = await tile(page).evaluate("node => getComputedStyle(node).backgroundColor")
            assert red == "rgb(179, 0, 27)"
            await expect(page).to_have_title(re.compile("^ALARM"))
            await expect(page.locator("#summary")).to_have_text(re.compile("^1 . ALARM$"))
            await expect(page.locator("#said")).to_contain_text("bearing_wear")
            await photograph(page, "page-alarm")

            await tile(page).get_by_role("button", name="Acknowledge").click()
            await page.locator("#token input").fill("not the token at all")
            await page.locator("#token").get_by_role("button", name="OK").click()
            await expect(page.locator("#token-why")).to_have_text("That is not the token.", timeout=WAIT)
            await expect(page.locator("#alarms")).to_contain_text("active, not acknowledged")
            await page.locator("#token input").fill(TOKEN)
            await page.keyboard.press("Enter")
            await expect(page.locator("#alarms")).to_contain_text("active, acknowledged", timeout=WAIT)
            assert await page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"

            await page.get_by_role("combobox", name="Shelve: pump bearing_wear").select_option("900")
            await expect(page.locator("#alarms")).to_contain_text("shelved", timeout=WAIT)
            await page.get_by_role("button", name="Unshelve").click()
            await expect(page.locator("#alarms")).to_contain_text("active, acknowledged", timeout=WAIT)

            agent.process.kill()
            await expect(page.locator("#lost")).to_contain_text("NO CONNECTION", timeout=WAIT)
            await expect(page).to_have_title(re.compile("^no connection"))
            await expect(tile(page).locator(".word")).to_have_text("Unknown")
            assert await tile(page).locator(".score").count() == 0
            await photograph(page, "page-lost")
            stack.enter_context(pump.agent())
            await expect(page.locator("#lost")).to_be_hidden(timeout=WAIT)
            await expect(page.locator("#link")).to_contain_text("live")
            await expect(tile(page)).to_have_class(re.compile("alarm"), timeout=WAIT)
            await page.locator("#log summary").click()
            await expect(page.locator("#log tbody tr")).not_to_have_count(0)
            await page.get_by_role("button", name="1 hour").click()
            await expect(page.locator("#range")).to_contain_text(":")


async def test_keyboard_languages_and_what_a_screen_reader_is_told(running: Plant) -> None:
    async with chromium(running.http.port, locale="de-DE", dark=True) as page:
        await expect(page.locator("html")).to_have_attribute("lang", "de")
        await expect(page.get_by_role("heading", name="Alarme", exact=True)).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        for _ in range(2):
            await page.keyboard.press("Tab")
        pick = page.get_by_role("button", name="pump", exact=True)
        await expect(pick).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(pick).to_have_attribute("aria-pressed", "true")
        clock = await page.locator("#clock").text_content()
        await expect(page.locator("#clock")).not_to_have_text(clock or "")
        await expect(pick).to_be_focused()  # drawn anew, and still in the same place
        outline = await pick.evaluate("node => getComputedStyle(node).outlineStyle")
        assert outline == "solid"
        await page.get_by_label("Sprache").select_option("zh")
        await expect(page.locator("html")).to_have_attribute("lang", "zh")
        await expect(page.get_by_role("heading", name="报警", exact=True)).to_be_visible()
        await page.reload()
        await expect(page.locator("html")).to_have_attribute("lang", "zh")


async def test_a_broker_that_is_away_is_seen_with_what_waits_and_comes_back(running: Plant) -> None:
    row = "#devices tr[data-key=mqtt]"
    async with chromium(running.http.port) as page:
        await expect(page.locator(row)).to_contain_text("✓ connected", timeout=WAIT)
        running.broker.kill()
        await expect(page.locator(row)).to_contain_text("✗ AWAY", timeout=WAIT)
        await expect(page.locator(row)).to_contain_text("the oldest of", timeout=WAIT)
        text = running.http.get("/metrics").body.decode()
        assert "edge_agent_mqtt_up 0.0" in text
        assert re.search(r"^edge_agent_mqtt_waiting [1-9]", text, re.MULTILINE)
        running.broker.start()
        await expect(page.locator(row)).to_contain_text("✓ connected", timeout=WAIT)


async def test_without_the_charting_library_all_else_is_there(running: Plant) -> None:
    async with chromium(running.http.port) as page:
        await page.route("**/vendor/**", lambda route: route.abort())
        await page.reload()
        await expect(page.locator("#trends")).to_contain_text("The charts are missing", timeout=WAIT)
        await expect(page.locator("#trends figure")).to_have_count(9)
        await expect(page.locator("#trends figure output").nth(1)).to_have_text(re.compile(r"\d"))
        await expect(tile(page)).to_be_visible()
