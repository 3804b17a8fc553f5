"""How numbers, units, times and Chinese are written: what no reader takes for something else."""

import subprocess
import time
from pathlib import Path

import pytest
from page_rig import chromium
from playwright.async_api import Page, expect
from stage import all_scenes, all_well, staged

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]
WAIT = 40_000
UNITS = {
    "degC": "°C",
    "Cel": "°C",
    "degF": "°F",
    "m3/h": "m³/h",
    "Nm3/h": "Nm³/h",
    "m^3/h": "m³/h",
    "mm2": "mm²",
    "m/s2": "m/s²",
    "kg/m3": "kg/m³",
    "degC/min": "°C/min",
    "um": "µm",
    "us": "µs",
    "uA": "µA",
    "uS/cm": "µS/cm",
    "kOhm": "kΩ",
    "mm/s": "mm/s",
    "l/min": "l/min",
    "bar": "bar",
    "rpm": "rpm",
    "%": "%",
    "unit": "unit",
    "USt": "USt",
    "m": "m",
    "": "",
}
SHOWN = "async (units) => { const { unitOf } = await import('/static/units.js'); return units.map(unitOf); }"
DATED = """async ([at, span]) => {
  const words = await import('/static/words.js');
  return [words.dated(at), words.when(at), words.briefly(at), words.mark(at, span)];
}"""
NOVEMBER = time.mktime((2024, 11, 6, 14, 3, 22, 0, 0, -1))
"""A day that is a month, too."""


async def test_units_are_shown_as_people_write_them_and_kept_as_they_are(tmp_path: Path) -> None:
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port) as page:
        assert await page.evaluate(SHOWN, list(UNITS)) == list(UNITS.values())
        caption = page.locator("figure[data-key='input flow'] figcaption span")
        await expect(caption).to_have_text("flow [m³/h]", timeout=WAIT)
        await page.locator("#tags summary").click()
        row = page.locator("#tags tr[data-key='plc.motor_temp'] td").nth(1)
        await expect(row).to_have_text("\u2013")
        drawn = await page.evaluate("import('/static/state.js').then(({ state }) => state.layout.units)")
        assert drawn[3] == "degC", "what the agent tells is the configuration's"


async def dates(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(DATED, [NOVEMBER, 28 * 86_400])
    return found


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("en-US", ["6 Nov 2024, 14:03:22", "6 Nov 2024, 14:03:22", "6 Nov 2024", "6 Nov"]),
        ("de-DE", ["06.11.2024, 14:03:22", "06.11.2024, 14:03:22", "06.11.2024", "06.11."]),
        ("zh-CN", ["2024/11/06 14:03:22", "2024/11/06 14:03:22", "2024/11/06", "11/06"]),
    ],
)
async def test_no_day_is_taken_for_a_month(locale: str, written: list[str], tmp_path: Path) -> None:
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port, locale=locale) as page:
        await expect(page.locator(".tile")).to_have_count(1, timeout=WAIT)
        assert await dates(page) == written


@pytest.fixture
def chinese() -> set[str]:
    """The fonts that have Chinese; Debian's package `fonts-wqy-microhei` is a small one."""
    listed = subprocess.run(["fc-list", ":lang=zh-cn", "family"], check=True, capture_output=True, text=True)
    fonts = {name.strip() for line in listed.stdout.splitlines() for name in line.split(",")}
    assert fonts, "no font for Chinese is installed"
    return fonts


async def test_chinese_is_drawn_with_a_font_that_has_it(chinese: set[str], tmp_path: Path) -> None:
    """Otherwise every picture of it is one of empty boxes."""
    async with staged(tmp_path, all_scenes, ["pump-2"]) as stage, chromium(stage.port, locale="zh") as page:
        await expect(page.locator(".tile .word")).to_have_text("报警", timeout=WAIT)
        devtools = await page.context.new_cdp_session(page)
        for domain in ("DOM", "CSS"):
            await devtools.send(f"{domain}.enable")
        root = (await devtools.send("DOM.getDocument"))["root"]["nodeId"]
        for selector in (".tile .word", "#alarms-title", "#alarms th", "button[data-order]"):
            asked = {"nodeId": root, "selector": selector}
            node = (await devtools.send("DOM.querySelector", asked))["nodeId"]
            used = (await devtools.send("CSS.getPlatformFontsForNode", {"nodeId": node}))["fonts"]
            assert {font["familyName"] for font in used} <= chinese, selector
