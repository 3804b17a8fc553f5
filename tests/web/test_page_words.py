"""The page's words: the same keys in every language, and one for everything that the agent may say."""

import json
import re
from enum import Enum
from pathlib import Path
from typing import get_args

import pytest

import edge_agent.web
from edge_agent.core.alarm import AlarmState, Command
from edge_agent.core.permit import Denied
from edge_agent.core.remark import Kind
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Quality, Reason
from edge_agent.device import Written

FOLDER = Path(edge_agent.web.__file__).parent / "static" / "i18n"
WORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
PACKAGE = Path(edge_agent.web.__file__).parents[1]
EVENT = re.compile(r'\.event\((?:[\w.]+|"\w+"), "([a-z ]+)"|rows\.event\(\w+, "\w+", "([a-z ]+)"')
PLACE = re.compile(r"\{(\w+)\}")
SAID: dict[str, type[Enum]] = {
    "state": State,
    "reason": Reason,
    "alarm": AlarmState,
    "denied": Denied,
    "quality": Quality,
}


def test_three_languages_have_the_same_keys_and_no_empty_word() -> None:
    assert set(WORDS) == {"de", "en", "zh"}
    for name, words in WORDS.items():
        assert set(words) == set(WORDS["en"]), name
        assert all(words.values()), name


@pytest.mark.parametrize("kind", SAID)
def test_everything_that_the_agent_may_say_has_a_word(kind: str) -> None:
    wanted = {f"{kind}.{member.name}" for member in SAID[kind]}
    assert {key for key in WORDS["en"] if key.startswith(f"{kind}.")} == wanted


def test_every_remark_has_a_sentence_with_what_it_is_about() -> None:
    for words in WORDS.values():
        for kind in get_args(Kind):
            assert {"input", "value"} <= set(PLACE.findall(words[f"remark.{kind}"])), kind


def test_every_remark_has_signs_for_three_metres() -> None:
    tiles = (FOLDER.parent / "tiles.js").read_text(encoding="utf-8")
    for kind in get_args(Kind):
        assert f"\n  {kind}: (" in tiles, kind


def test_the_same_places_are_filled_in_every_language() -> None:
    for name, words in WORDS.items():
        for key, text in words.items():
            assert set(PLACE.findall(text)) == set(PLACE.findall(WORDS["en"][key])), f"{name}: {key}"


def test_every_kind_of_event_has_a_word() -> None:
    told = " ".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    kinds = {kind for kinds in EVENT.findall(told) for kind in kinds if kind}
    assert {"state", "writing latched off", "candidate", "damaged", "state folder"} <= kinds
    assert {f"event.{kind}" for kind in kinds} <= set(WORDS["en"])


def test_every_outcome_of_a_write_and_every_order_has_a_word() -> None:
    assert {f"written.{outcome.value}" for outcome in Written} <= set(WORDS["en"])
    assert {f"order.{command.value}" for command in Command} <= set(WORDS["en"])
