"""A machine whose model keeps a state: every row goes in, and no answer counts before the state is warm."""

import numpy as np
from core.test_pipeline import ROW, S, image
from dense_model import MANIFEST
from msgspec.structs import replace

from edge_agent.core.pipeline import Pipeline, Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason

STREAMED = replace(MANIFEST, model=replace(MANIFEST.model, state=2))


class Counted:
    """A machine with a model of two states: the rows seen since the last restart, and twice that."""

    def __init__(self) -> None:
        self.pipeline = Pipeline(STREAMED)
        self.before: list[float] = []

    def tick(self, tick: int, bad: int | None = None, answer: Reason | None = None) -> Verdict:
        asked = self.pipeline.take(tick, image(ROW, bad))
        if asked is None:
            return self.pipeline.conclude(None, None, tick * S)
        assert asked.shape == (4 + 2,)
        seen = float(asked[4])
        assert asked[5] == 2 * seen
        self.before.append(seen)
        said = np.array([0.5, seen + 1, 2 * seen + 2], np.float32)
        return self.pipeline.conclude(asked, answer or said, tick * S)


def test_the_state_goes_from_row_to_row_and_answers_count_once_a_window_is_full() -> None:
    machine = Counted()
    said = [machine.tick(tick) for tick in range(6)]
    assert machine.before == [0, 1, 2, 3, 4, 5]
    assert [v.valid for v in said] == [False] * 3 + [True] * 3
    assert [v.reason for v in said[:3]] == [Reason.WARMING_UP] * 3
    assert said[0].state is State.STARTING


def test_a_gap_that_is_too_long_begins_anew() -> None:
    machine = Counted()
    for tick in range(5):
        machine.tick(tick)
    gap = [machine.tick(tick, bad=1) for tick in range(5, 9)]
    assert gap[-1].reason is Reason.TIMEOUT
    machine.before.clear()
    said = [machine.tick(tick) for tick in range(9, 13)]
    assert machine.before == [0, 1, 2, 3]
    assert [v.valid for v in said] == [False] * 3 + [True]


def test_a_tick_that_was_missed_begins_anew_because_the_state_has_not_seen_its_row() -> None:
    machine = Counted()
    for tick in (0, 1, 2, 3, 5, 6):
        machine.tick(tick)
    assert machine.before == [0, 1, 2, 3, 0, 1]


def test_a_row_without_an_answer_begins_anew() -> None:
    machine = Counted()
    for tick in range(4):
        machine.tick(tick)
    assert machine.tick(4, answer=Reason.MODEL_LATE).reason is Reason.MODEL_LATE
    assert machine.tick(5).reason is Reason.WARMING_UP
    assert machine.before == [0, 1, 2, 3, 4, 0]


def test_a_state_that_is_not_finite_is_not_kept() -> None:
    machine = Counted()
    machine.tick(0)
    asked = machine.pipeline.take(1, image(ROW))
    broken = np.array([0.5, np.nan, 2], np.float32)
    assert machine.pipeline.conclude(asked, broken, S).reason is Reason.MODEL_NOT_FINITE
    machine.tick(2)
    assert machine.before == [0, 0]
