"""On small panels: nothing is covered, an alarm is acknowledged at its tile, charts are of the worst."""

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from page_rig import TOKEN, chromium
from playwright.async_api import Page, expect
from stage import SCENES, Scene, alarm, outputs, staged, well
from test_page_glance import LEAK

from edge_agent.status import MachineStatus, Status

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(180)]
WAIT = 40_000
PANELS = [(800, 480), (1024, 600), (1280, 800), (1920, 1080)]
COVERED = """cells => cells.map((cell) => {
  cell.scrollIntoView({ block: "center", inline: "nearest" });
  const range = document.createRange();
  range.selectNodeContents(cell);
  const hidden = [...range.getClientRects()].filter(({ left, top, right, bottom }) => {
    const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return right - left > 1 && !(seen && (cell.contains(seen) || seen.contains(cell)));
  });
  return hidden.length ? cell.textContent : "";
}).filter(Boolean)"""
DRAWN = """
  window.drawn = [];
  const fill = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
    window.drawn.push([this.canvas.closest("figure").dataset.key, text, this.textAlign]);
    return fill.call(this, text, ...at);
  };
"""


@pytest.mark.parametrize("language", ["en", "de", "zh"])
async def test_no_cell_of_the_alarm_list_is_covered(language: str, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, chromium(stage.port, locale=language) as page:
        await expect(page.locator("#alarms tbody tr")).to_have_count(3, timeout=WAIT)
        for width, height in PANELS:
            await page.set_viewport_size({"width": width, "height": height})
            cells = page.locator("#alarms tbody td")
            assert await cells.count() == 33
            assert await cells.evaluate_all(COVERED) == [], f"at {width} by {height}"
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            beside = await page.evaluate("document.querySelector('#alarms .scroll').scrollWidth")
            assert beside <= width, "nothing of it has to be moved into sight"


async def given(page: Page) -> list[str]:
    """Opens a page whose orders are only written down: the outputs that they are about."""
    asked: list[str] = []

    async def take(route: object, request: object) -> None:
        asked.append(json.loads(request.post_data)["output"])  # type: ignore[attr-defined]
        await route.fulfill(status=204)  # type: ignore[attr-defined]

    await page.route("**/api/order", take)
    await page.evaluate(f"sessionStorage.setItem('edge-agent.token', '{TOKEN}')")
    return asked


@pytest.mark.parametrize(("width", "height"), PANELS)
async def test_an_alarm_is_acknowledged_at_its_tile_without_a_way_to_the_list(
    width: int, height: int, tmp_path: Path
) -> None:
    async with staged(tmp_path) as stage, chromium(stage.port, locale="de") as page:
        await page.set_viewport_size({"width": width, "height": height})
        asked = await given(page)
        button = page.locator(".tile [data-order=acknowledge]")
        await expect(button).to_have_count(1, timeout=WAIT)
        box = await button.bounding_box()
        assert box
        assert box["y"] + box["height"] <= height, "on the first screen, with nine machines"
        assert box["height"] >= 44, "for a finger"
        await button.click()
        await expect(page.locator("#said")).to_have_text("Erledigt")
        assert asked == ["bearing_wear"]


def both(machine: MachineStatus) -> MachineStatus:
    found = alarm(machine)
    (worn,) = found.outputs
    return replace(found, outputs=[worn, replace(worn, name="leak", score=1.0)])


async def test_two_outputs_that_wait_are_acknowledged_together(tmp_path: Path) -> None:
    def change(status: Status) -> Status:
        return replace(status, machines=[both(m) for m in status.machines])

    async with staged(tmp_path, change, ["pump"], has=outputs(LEAK)) as stage, chromium(stage.port) as page:
        asked = await given(page)
        await page.locator(".tile [data-order=acknowledge]").click()
        await expect(page.locator("#said")).to_have_text("Done", timeout=WAIT)
        assert asked == [""], "which is all of the machine"


async def test_what_is_refused_is_seen_wherever_one_is(tmp_path: Path) -> None:
    """Without a credential on the box, for example."""
    async with staged(tmp_path) as stage, chromium(stage.port) as page:
        await page.set_viewport_size({"width": 800, "height": 480})
        await page.locator(".tile [data-order=acknowledge]").click(timeout=WAIT)
        await page.keyboard.press("Escape")
        await expect(page.locator("#refused")).to_be_in_viewport()
        await expect(page.locator("#refused")).to_have_text("Nothing done: this needs the token.")


async def test_a_page_that_only_shows_has_a_way_down_to_the_list(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, chromium(stage.port) as page:
        await page.set_viewport_size({"width": 800, "height": 480})
        await expect(page.locator(".tile")).to_have_count(len(SCENES), timeout=WAIT)
        await page.route("**/api/stream", lambda route: route.abort())
        await page.evaluate("import('/static/state.js').then(({ state }) => (state.layout.writable = false))")
        jump = page.locator(".tile a.jump")
        await jump.click(timeout=WAIT)
        await expect(page.locator("#alarms-title")).to_be_in_viewport()


async def test_charts_are_of_the_worst_machine_until_somebody_chooses(tmp_path: Path) -> None:
    scenes: dict[str, Scene] = {"pump-1": well, "pump-2": well, "pump-3": well}

    def change(status: Status) -> Status:
        return replace(status, machines=[scenes[m.name](m) for m in status.machines])

    async with staged(tmp_path, change, list(scenes)) as stage, chromium(stage.port) as page:
        selected, follows = page.locator("#selected"), page.locator("#follows")
        await expect(selected).to_have_text("pump-1", timeout=WAIT)
        await expect(follows).to_have_text("follows the worst machine until you choose one")
        scenes["pump-3"] = alarm
        await expect(selected).to_have_text("pump-3")
        scenes["pump-2"] = alarm
        await expect(page.locator(".tile.alarm")).to_have_count(2)
        await expect(selected).to_have_text("pump-3")  # it stays while nothing is worse
        pick = page.get_by_role("button", name="pump-1", exact=True)
        await pick.click()
        await expect(selected).to_have_text("pump-1")
        await expect(follows).to_contain_text("stays with this machine")
        scenes["pump-1"] = alarm
        scenes["pump-2"] = scenes["pump-3"] = well
        await expect(page.locator(".tile.alarm")).to_have_count(1)
        scenes["pump-1"], scenes["pump-3"] = well, alarm
        await expect(page.locator(".tile.alarm .pick")).to_have_text("pump-3")
        await expect(selected).to_have_text("pump-1")
        await pick.click()
        await expect(selected).to_have_text("pump-3")


async def test_every_axis_has_marks_enough_to_be_read(tmp_path: Path) -> None:
    def change(status: Status) -> Status:
        return replace(status, machines=[well(m) for m in status.machines])

    async with staged(tmp_path, change, ["pump"]) as stage, chromium(stage.port) as page:
        await page.add_init_script(DRAWN)
        for width, height in PANELS:
            await page.set_viewport_size({"width": width, "height": height})
            await page.reload()
            await expect(page.locator("#trends canvas")).to_have_count(9, timeout=WAIT)
            await expect(page.locator("#trends .plot").first).to_have_attribute(
                "aria-label", re.compile("from")
            )
            drawn = await page.evaluate("window.drawn")
            for key in {key for key, *_ in drawn}:
                across, up = (
                    {text for at, text, align in drawn if (at, align) == (key, way)}
                    for way in ("center", "right")
                )
                assert len(up) >= 4, f"{key} at {width}: {up}"
                assert len(across) >= 4, f"{key} at {width}: {across}"
