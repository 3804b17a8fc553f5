"""The page for everybody: looked at by axe-core in each language and view, by keyboard alone, enlarged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import npm_peer
import pytest
from page_rig import chromium
from playwright.async_api import Page, expect
from stage import SCENES, Stage, staged

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(180)]
WAIT = 40_000
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOK = """async (tags) => {
  const { violations } = await axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
  return violations.map((v) => [v.id, v.impact, v.nodes.map((n) => `${n.target}: ${n.failureSummary}`)]);
}"""
FOCUSED = """() => {
  const at = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(at);
  return [at.dataset.focus || at.id || at.tagName.toLowerCase(), outlineStyle, parseFloat(outlineWidth)];
}"""
WITHIN = """document.querySelector('#token').contains(document.activeElement)
  || document.activeElement === document.body"""
LOOKS = """tiles => tiles.map((tile) =>
  [tile.querySelector('use').getAttribute('href'), tile.querySelector('.word').textContent])"""
ASIDE = "document.querySelector('#alarms .scroll').scrollLeft"
MOVING = "document.getAnimations().filter((a) => a.playState === 'running').length"
CUT = """all => all.filter((n) => n.clientWidth && n.scrollWidth > n.clientWidth + 1
  && getComputedStyle(n).overflowX !== 'visible').map((n) => n.outerHTML)"""


async def violations(page: Page) -> list[Any]:
    """What axe-core has against what is shown; of any impact."""
    if not await page.evaluate("'axe' in window"):
        folder = await asyncio.to_thread(npm_peer.install, "axe")
        source = folder / "node_modules" / "axe-core" / "axe.min.js"
        await page.evaluate(await asyncio.to_thread(source.read_text, "utf-8"))
    found: list[Any] = await page.evaluate(LOOK, RULES)
    return found


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[tuple[Page, Stage]]:
    """The page with a machine in every state, and with all opened that can be opened."""
    async with staged(folder) as stage, chromium(stage.port, **options) as page:
        await expect(page.locator(".tile")).to_have_count(len(SCENES), timeout=WAIT)
        for name in ("log", "tags"):
            await page.locator(f"#{name} summary").click()
        await expect(page.locator("#tags tbody tr")).to_have_count(8)
        yield page, stage


@pytest.mark.parametrize(("language", "dark"), [("en", False), ("de", True), ("zh", False)])
async def test_nothing_stands_in_anybodys_way(language: str, dark: bool, tmp_path: Path) -> None:
    async with opened(tmp_path, locale=language, dark=dark) as (page, stage):
        assert await violations(page) == []
        await page.locator("#ranges [data-key=week]").click()
        await page.locator("#alarms [data-order=acknowledge]").click()
        await expect(page.locator("#token")).to_be_visible()
        assert await violations(page) == []
        if dark:
            await page.keyboard.press("Escape")
            await stage.stop()
            await expect(page.locator("#lost")).to_be_visible(timeout=WAIT)
            assert await violations(page) == []


async def test_the_keyboard_reaches_all_and_sees_where_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as (page, _):
        await page.locator(".skip").focus()
        reached = []
        for _ in range(80):
            await page.keyboard.press("Tab")
            name, style, width = await page.evaluate(FOCUSED)
            if name == "body":
                break
            assert (style, width >= 2) == ("solid", True), name
            reached.append(name)
        tiles = [name for name in reached if name.startswith("tile ")]
        others = [f"tile {name}" for name in SCENES if name != "pump-2"]
        shortcut = "tile acknowledge pump-2 bearing_wear"
        assert tiles == ["tile pump-2", shortcut, *others], "in the order in which they are seen"
        acknowledge = "acknowledge pump-2 bearing_wear"
        assert {"language", acknowledge, "shelve press-7 bearing_wear", "range week"} <= set(reached)
        assert reached.index(tiles[-1]) < reached.index(acknowledge)

        await page.locator(f"[data-focus='{acknowledge}']").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#token input")).to_be_focused()
        for _ in range(5):
            await page.keyboard.press("Tab")
            assert await page.evaluate(WITHIN)
        await page.keyboard.press("Escape")
        await expect(page.locator("#token")).to_be_hidden()
        await expect(page.locator(f"[data-focus='{acknowledge}']")).to_be_focused()
        await expect(page.locator("#refused")).to_have_text("Nothing done: this needs the token.")


async def test_a_state_is_a_word_and_a_shape_and_a_chart_has_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as (page, _):
        looks = await page.eval_on_selector_all(".tile", LOOKS)
        assert [tuple(look) for look in looks] == [
            ("#alarm", "ALARM"),
            ("#normal", "Normal"),
            ("#warning", "Warning"),
            ("#shelved", "Shelved"),
            ("#uncertain", "Uncertain"),
            ("#none", "No result"),
            ("#none", "No result"),
            ("#waiting", "Waiting"),
            ("#normal", "Normal"),
        ]
        assert await page.evaluate(MOVING) == 1, "what nobody has acknowledged"
        await page.emulate_media(reduced_motion="reduce")
        assert await page.evaluate(MOVING) == 0
        words = "speed [rpm]: 1480; from 1480 to 1480; in training -144 to 1584"
        await expect(page.locator("#trends [role=img]").nth(1)).to_have_attribute("aria-label", words)


@pytest.mark.parametrize("language", ["de", "zh"])
async def test_enlarged_nothing_is_lost(language: str, tmp_path: Path) -> None:
    """1280 pixels at 200 and at 400 % (WCAG 2.2, 1.4.4 and 1.4.10): only tables are moved sideways."""
    async with opened(tmp_path, locale=language) as (page, _):
        for width in (640, 320):
            await page.set_viewport_size({"width": width, "height": 400})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await page.locator("#alarms [data-order=acknowledge]").scroll_into_view_if_needed()
            assert await page.evaluate(ASIDE) == 0, "acknowledging is seen without moving the table"
            assert await page.eval_on_selector_all(".tile *, header *, button", CUT) == []
            assert await violations(page) == []
