"""Every word on the page is of the reader's language: from its table, or a name of the plant's own."""

import json
import re
from pathlib import Path

import pytest
from page_rig import chromium
from playwright.async_api import expect
from stage import SCENES, VALUES, staged

import edge_agent.web

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]
FOLDER = Path(edge_agent.web.__file__).parent / "static" / "i18n"
WORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
SAME = {
    "ALARM",
    "Alarm",
    "Normal",
    "normal",
    "OK",
    "Drift (PSI)",
    "Drift",
    "Agent",
    "Live",
    "Starts",
    "{time}",
    "{clients} Clients",
}
"""What German writes as English does."""
TEXTS = """() => {
  const found = [document.title];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const at = walk.currentNode.parentElement;
    if (!at.closest("script, noscript, #language") && at.closest("[lang]") === document.documentElement)
      found.push(walk.currentNode.data);
  }
  for (const at of document.querySelectorAll("[aria-label]")) found.push(at.getAttribute("aria-label"));
  return found.map((text) => text.trim()).filter(Boolean);
}"""
NAMES = [
    *SCENES, *(f"plc.{name}" for name in VALUES), *VALUES, "plc", "hall-3", "bearing_wear", "bearing",
    "edge-agent", "LiteRT", "broker.plant.example", "opc.tcp", "MQTT",
    "rpm", "mm/s", "°C", "m³/h", "bar", "ms", "s", "p99", "A",
]  # fmt: skip
WRITTEN = {"de": ["0,113", "48.112", "15 Min."], "zh": ["0.113", "48,112", "15分钟"]}
"""Numbers, counts and times as the language writes them."""
LASTING = {"de": r"\d (Sek|Min|Std|Tg)\.", "zh": r"\d(秒|分钟|小时|天)"}


def left(text: str, language: str) -> str:
    """What remains of a text without the words of the table, the plant's names and numbers."""
    text = re.sub(rf"{LASTING[language]}|· [0-9a-f]{{8}}$", "0", text)
    parts = (part for word in WORDS[language].values() for part in re.split(r"\{\w+\}", word))
    for known in sorted({*parts, *NAMES} - {"", " "}, key=len, reverse=True):
        # A word is a whole one; before a comma or a Chinese word anything may stand.
        whole = r"(?<![a-zäöüß])" if known.strip()[0].isascii() and known.strip()[0].isalpha() else ""
        text = re.sub(rf"{whole}{re.escape(known.strip())}(?![a-zäöüß])", "", text)
    return "".join(re.findall(r"[^\W\d_]+", text))


@pytest.mark.parametrize("language", ["de", "zh"])
async def test_nothing_is_left_in_another_language(language: str, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, chromium(stage.port, locale=language) as page:
        await expect(page.locator(".tile")).to_have_count(len(SCENES), timeout=40_000)
        for name in ("log", "tags"):
            await page.locator(f"#{name} summary").click()
        await expect(page.locator("#tags tbody tr")).to_have_count(len(VALUES))
        texts = await page.evaluate(TEXTS)
    assert len(texts) > 200
    assert set(WRITTEN[language]) <= set(texts)
    assert {text: rest for text in texts if (rest := left(text, language))} == {}


@pytest.mark.parametrize("language", ["de", "zh"])
def test_no_word_was_left_in_english(language: str) -> None:
    same = {
        key: word for key, word in WORDS[language].items() if word == WORDS["en"][key] and word not in SAME
    }
    assert same == {}
