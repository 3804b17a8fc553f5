"""The table of states decides alone, and the documents show it."""

from pathlib import Path

import pytest

from edge_agent.core.permit import Denied
from edge_agent.core.resultblock import State
from edge_agent.core.states import TABLE, Situation, state_of
from edge_agent.core.tags import Reason

DOCS = Path(__file__).parents[2] / "docs" / "controls-engineer.md"


@pytest.mark.parametrize(
    ("mode", "reason", "denied", "expected"),
    [
        ("active", Reason.STOPPED, Denied.NOTHING, State.OFF),
        ("active", Reason.WARMING_UP, Denied.NOTHING, State.STARTING),
        ("active", Reason.MACHINE_SETTLING, Denied.NOTHING, State.STARTING),
        ("shadow", Reason.MACHINE_IDLE, Denied.NOTHING, State.READY),
        ("active", Reason.MODEL_LATE, Denied.NOTHING, State.FAULT),
        ("active", Reason.TIMEOUT, Denied.NOTHING, State.FALLBACK),
        ("shadow", Reason.NONE, Denied.NOTHING, State.SHADOW),
        ("advisory", Reason.NONE, Denied.NOTHING, State.ADVISORY),
        ("active", Reason.NONE, Denied.PERMISSIVE, State.READY),
        ("active", Reason.NONE, Denied.NOTHING, State.ACTIVE),
    ],
)
def test_state(mode, reason, denied, expected):
    assert state_of(Situation(mode=mode, reason=reason, denied=denied)) is expected


def test_whatever_the_situation_there_is_one_state():
    for mode in ("shadow", "advisory", "active"):
        for reason in Reason:
            for denied in Denied:
                assert state_of(Situation(mode=mode, reason=reason, denied=denied)) in State


def test_active_is_never_said_where_writing_is_denied():
    for reason in Reason:
        for denied in Denied:
            if state_of(Situation(mode="active", reason=reason, denied=denied)) is State.ACTIVE:
                assert (reason, denied) == (Reason.NONE, Denied.NOTHING)


def test_the_documents_show_the_table_in_its_order():
    shown = DOCS.read_text(encoding="utf-8")
    rows = "\n".join(f"| {state.value} | {state.name} | {text} |" for state, text, _ in TABLE)
    assert rows in shown
