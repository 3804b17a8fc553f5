"""At a glance: what a maintenance worker reads from three metres, and that it is what is the case.

ISO 9241-303 asks for characters of 16 minutes of arc at least: 14 mm at 3 m. A panel of 24 inches and 1920 by
1080 pixels has pixels of 0.2767 mm.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from page_rig import chromium
from playwright.async_api import Page, expect
from stage import SCENES, WARNING, Scene, alarm, outputs, staged, warning, well

from edge_agent.core.manifest import Limits, Output
from edge_agent.status import MachineStatus, Status

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(180)]
WAIT = 40_000
LEAST = 14 / 0.2767
"""Pixels that a capital has to be high."""
FHD = {"width": 1920, "height": 1080}
LARGE = {
    "condition": ".word",
    "score": ".score span",
    "limit": ".limit",
    "since": ".since",
    "reason": ".first",
}
CAPITALS = """(tile, parts) => Object.fromEntries(Object.entries(parts).map(([name, selector]) => {
  const node = tile.querySelector(selector);
  if (!node) return [name, null];
  const style = getComputedStyle(node), context = document.createElement("canvas").getContext("2d");
  context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const { top, bottom, left, right } = node.getBoundingClientRect();
  return [name, { height: context.measureText("H").actualBoundingBoxAscent, top, bottom, left, right,
    text: node.textContent, cut: node.scrollWidth > node.clientWidth + 1 && style.display !== "inline" }];
}))"""
LEAK = Output(name="leak", kind="value", tensor="", unit="m3/h", limits=Limits(on=2.5, off=3.0, when="below"))


def changed(**scenes: Scene) -> Callable[[Status], Status]:
    """A status in which the machines, with underscores in their names, are in these scenes."""
    made = {name.replace("_", "-"): scene for name, scene in scenes.items()}
    return lambda status: replace(status, machines=[made[m.name](m) for m in status.machines])


async def read(page: Page, name: str) -> dict[str, Any]:
    """How high the capitals of a tile are, in pixels, and where its parts stand."""
    tile = page.locator(".tile", has=page.get_by_role("button", name=name, exact=True))
    await expect(tile).to_be_visible(timeout=WAIT)
    found: dict[str, Any] = await tile.evaluate(CAPITALS, LARGE)
    return found


@pytest.mark.parametrize("language", ["en", "de", "zh"])
@pytest.mark.parametrize("machines", [["pump-2"], ["pump-1", "pump-2", "press-7", "fan-3"]])
async def test_few_machines_can_be_read_from_three_metres(
    machines: list[str], language: str, tmp_path: Path
) -> None:
    async with staged(tmp_path, machines=machines) as stage, chromium(stage.port, locale=language) as page:
        await page.set_viewport_size(FHD)
        found = await read(page, "pump-2")
        for name, part in found.items():
            assert part["text"], name
            assert part["height"] >= LEAST, f"{name}: {part}"
            assert part["bottom"] <= FHD["height"], f"{name} is on the screen"
            assert not part["cut"], name
        assert found["reason"]["text"].startswith("vibration")
        for other in machines:
            seen = await read(page, other)
            small = {n: p for n, p in seen.items() if p and p["text"] and p["height"] < LEAST}
            assert small == {}, other
            assert max(p["bottom"] for p in seen.values() if p) <= FHD["height"], other
        assert await page.evaluate("document.documentElement.scrollWidth") <= FHD["width"]


async def test_with_many_machines_the_one_in_alarm_is_first_and_as_large(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, chromium(stage.port) as page:
        await page.set_viewport_size(FHD)
        found = await read(page, "pump-2")
        assert min(part["height"] for part in found.values()) >= LEAST
        assert await page.locator(".tile .pick").all_text_contents() == [
            "pump-2", *(name for name in SCENES if name != "pump-2")
        ]  # fmt: skip
        others = await read(page, "press-7")
        assert 0.4 * LEAST < others["condition"]["height"] < 0.7 * LEAST
        bottom = await page.locator(".tile").last.evaluate("tile => tile.getBoundingClientRect().bottom")
        assert bottom <= FHD["height"], "all nine are on one screen"


@pytest.mark.parametrize(
    ("scene", "words"),
    [(well, "0.113 Warning ≥ 0.35"), (warning, "0.41 Warning ≥ 0.35"), (alarm, "0.934 Alarm ≥ 0.8")],
)
async def test_a_score_stands_beside_the_limit_that_matters(scene: Scene, words: str, tmp_path: Path) -> None:
    async with staged(tmp_path, changed(pump=scene), ["pump"]) as stage, chromium(stage.port) as page:
        await expect(page.locator(".tile .score")).to_have_text(words, timeout=WAIT)
        gauge = page.locator(".tile .gauge")
        score = words.split(maxsplit=1)[0]
        await expect(gauge).to_have_attribute(
            "aria-label", re.compile(f"{score}; Warning ≥.0.35; Alarm ≥.0.8")
        )
        room, *marks = await page.evaluate(
            """() => [".room", ".mark.warning", ".mark.alarm"].map((name) => {
              const { left, width } = document.querySelector(`.gauge ${name}`).getBoundingClientRect();
              return name === ".room" ? [left, width] : left + width / 2; })"""
        )
        assert [round((mark - room[0]) / room[1], 2) for mark in marks] == [WARNING.on, 0.8]


def leaking(machine: MachineStatus) -> MachineStatus:
    """Its first output is well, its second in alarm."""
    found = alarm(machine)
    (worn,) = found.outputs
    calm = replace(worn, score=0.05, alarm=False, alarm_state="NORMAL")
    return replace(found, score=0.05, outputs=[calm, replace(worn, name="leak", score=1.97)])


async def test_of_two_outputs_the_one_that_makes_the_state_is_shown(tmp_path: Path) -> None:
    has, change = outputs(LEAK), changed(pump=leaking)
    async with staged(tmp_path, change, ["pump"], has=has) as stage, chromium(stage.port) as page:
        await expect(page.locator(".tile .word")).to_have_text("ALARM", timeout=WAIT)
        await expect(page.locator(".tile .score")).to_have_text("1.97 m³/h Alarm ≤ 2.5 m³/h leak")
        row = page.locator("#alarms tbody tr")
        await expect(row.locator("td", has_text="leak").first).to_be_visible()
        await expect(row).to_contain_text("Alarm ≤ 2.5 m³/h")


def cut_off(machine: MachineStatus) -> MachineStatus:
    """In alarm, and then an input was lost."""
    found = alarm(machine)
    (worn,) = found.outputs
    return replace(
        found, state="FALLBACK", reason="NO_LINK", culprit="plc.flow", score=None,
        outputs=[replace(worn, score=None)],
    )  # fmt: skip


async def test_what_made_an_alarm_is_read_first_whatever_came_after_it(tmp_path: Path) -> None:
    async with staged(tmp_path, changed(pump=cut_off), ["pump"]) as stage, chromium(stage.port) as page:
        await expect(page.locator(".tile .first")).to_have_text("vibration +6.41 mm/s", timeout=WAIT)
        await expect(page.locator(".tile .more")).to_contain_text("device not connected: plc.flow")
        await expect(page.locator(".tile .score")).to_have_text("no score")


async def test_each_level_has_its_row_in_the_alarm_list(tmp_path: Path) -> None:
    """Each level with its own time, priority, and what it means."""

    def escalated(machine: MachineStatus) -> MachineStatus:
        found = alarm(machine)
        (worn,) = found.outputs
        assert worn.alarm_since is not None
        return replace(
            found,
            outputs=[replace(worn, warning_state="UNACKNOWLEDGED", warning_since=worn.alarm_since - 3600)],
        )

    alarms = (
        "[machine.{name}.alarm]\n"
        'priority = {{ warning = "low" }}\n'
        'description = {{ bearing_wear = "Lager prüfen <b>bald</b>" }}\n'
    )
    change = changed(pump=escalated)
    async with staged(tmp_path, change, ["pump"], alarms=alarms) as stage, chromium(stage.port) as page:
        rows = page.locator("#alarms tbody tr")
        await expect(rows).to_have_count(2, timeout=WAIT)
        cells = [await rows.nth(n).locator("td").all_text_contents() for n in (0, 1)]
        times, priorities, levels = ([row[column] for row in cells] for column in (0, 1, 2))
        assert priorities == ["high", "low"]
        assert levels == ["ALARM", "Warning"]
        first, second = (60 * int(t[:2]) + int(t[3:5]) for t in (time[-8:] for time in times))
        assert (first - second) % (24 * 60) == 60, "the warning came an hour before"
        assert [row[5] for row in cells] == ["Lager prüfen <b>bald</b>"] * 2
        assert [row[8].replace("\u00a0", " ") for row in cells] == ["Alarm ≥ 0.8", "Warning ≥ 0.35"]
    async with staged(tmp_path, change, ["pump"]) as stage, chromium(stage.port, locale="de") as page:
        cell = page.locator("#alarms tbody tr").first.locator("td").nth(5)
        await expect(cell).to_have_text(
            "bearing_wear hat die Alarmgrenze erreicht oder überschritten", timeout=WAIT
        )
