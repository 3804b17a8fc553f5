"""Back over weeks: the short peak is there, what was not kept is empty, and closer is closer."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from page_rig import chromium
from playwright.async_api import Page, expect
from stage import VALUES, all_well, staged
from weeks import PEAK, keep

from edge_agent.historian import FILE

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]
WAIT = 40_000
DATE = r"\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d:\d\d"
TWO_DATES = f"^{DATE} . {DATE}"
EMPTY = """() => {
  // The longest part of the score's chart without the ink of its line, in days of four weeks.
  const canvas = document.querySelector("#trends canvas"), over = document.querySelector("#trends .u-over");
  const line = getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
  const ink = [1, 3, 5].map((at) => parseInt(line.slice(at, at + 2), 16));
  const { left, top } = canvas.getBoundingClientRect(), place = over.getBoundingClientRect();
  const [width, height] = [Math.floor(place.width), Math.floor(place.height)];
  const { data } = canvas.getContext("2d").getImageData(place.left - left, place.top - top, width, height);
  const inked = (at) => ink.every((level, colour) => Math.abs(data[at + colour] - level) < 60);
  let longest = 0, run = 0;
  for (let x = 0; x < width; x++) {
    const rows = Array.from({ length: height }, (_, y) => 4 * (y * width + x));
    run = rows.some(inked) ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  return (longest / width) * 28;
}"""


async def highest(page: Page) -> float:
    """The highest score that the chart shows, as it says itself."""
    said = await page.locator("#trends .plot").first.get_attribute("aria-label")
    return float(re.findall(r"to ([\d.]+)", said or "")[0])


async def range_is(page: Page, pattern: str) -> None:
    await expect(page.locator("#range")).to_have_text(re.compile(pattern), timeout=WAIT)


async def test_four_weeks_and_closer(tmp_path: Path, photograph: Callable) -> None:
    (tmp_path / "state").mkdir()
    keep(tmp_path / "state" / FILE, "pump", VALUES)
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port) as page:
        await page.get_by_role("button", name="4 weeks").click()
        await range_is(page, f"{TWO_DATES} . Agent off: 2 days, Waiting: 10 sec, ALARM: 3 min$")
        assert await highest(page) == PEAK, "one result of 12,000"
        empty = await page.evaluate(EMPTY)
        assert 1.5 < empty < 2.5, "two days were not kept, and no line is drawn through them"

        await page.locator("#trends").scroll_into_view_if_needed()
        await page.evaluate("document.querySelector('#trends-title').scrollIntoView()")
        await photograph(page, "page-history")

        await page.locator("#log summary").click()
        log = page.locator("#log")
        await expect(log).to_contain_text(re.compile(DATE), timeout=WAIT)
        await expect(log.locator("tbody").first.locator("tr")).to_have_count(2)
        await expect(log).to_contain_text("active, not acknowledged")
        await page.get_by_role("button", name="1 day", exact=True).click()
        await expect(log).to_contain_text("No alarm in that time.", timeout=WAIT)
        await page.locator("#log summary").click()
        await page.get_by_role("button", name="4 weeks").click()
        await range_is(page, TWO_DATES)

        # The peak is two thirds to the right; a drag around it comes closer.
        box = await page.locator("#trends .u-over").first.bounding_box()
        assert box
        across = [box["x"] + box["width"] * part for part in (0.63, 0.73)]
        await page.mouse.move(across[0], box["y"] + 50)
        await page.mouse.down()
        await page.mouse.move(across[1], box["y"] + 50, steps=4)
        await page.mouse.up()
        await range_is(page, TWO_DATES)
        assert await highest(page) == PEAK
        wide = await page.locator("#range").text_content()
        await page.get_by_role("button", name="+ closer").click()
        await expect(page.locator("#range")).not_to_have_text(wide or "", timeout=WAIT)
        await page.get_by_role("button", name="later").click()
        await page.get_by_role("button", name="back").click()
        await page.get_by_role("button", name="back").click()
        await range_is(page, f"^{re.escape(wide or '')}$")
        await page.get_by_role("button", name="Live").click()
        await expect(page.locator("#range")).to_be_empty()
