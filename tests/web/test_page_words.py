"""The page's words: the same keys in every language, and one for everything that the agent may say."""

import json
from enum import Enum
from pathlib import Path

import pytest

import edge_agent.web
from edge_agent.core.alarm import AlarmState, Command
from edge_agent.core.permit import Denied
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason
from edge_agent.device import Written

FOLDER = Path(edge_agent.web.__file__).parent / "static" / "i18n"
WORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
SAID: dict[str, type[Enum]] = {"state": State, "reason": Reason, "alarm": AlarmState, "denied": Denied}


def test_three_languages_have_the_same_keys_and_no_empty_word() -> None:
    assert set(WORDS) == {"de", "en", "zh"}
    for name, words in WORDS.items():
        assert set(words) == set(WORDS["en"]), name
        assert all(words.values()), name


@pytest.mark.parametrize("kind", SAID)
def test_everything_that_the_agent_may_say_has_a_word(kind: str) -> None:
    wanted = {f"{kind}.{member.name}" for member in SAID[kind]}
    assert {key for key in WORDS["en"] if key.startswith(f"{kind}.")} == wanted


def test_every_outcome_of_a_write_and_every_order_has_a_word() -> None:
    assert {f"written.{outcome.value}" for outcome in Written} <= set(WORDS["en"])
    assert {f"order.{command.value}" for command in Command} <= set(WORDS["en"])
