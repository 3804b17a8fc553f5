"""The inputs that made a score, by asking the model again with each as the others make likely."""

import math

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from dense_model import MANIFEST, OFFSET, SCALE, limited, manifest, standardised
from hypothesis import given

from edge_agent.core.manifest import Envelope, Input, Limits, Manifest
from edge_agent.core.outputs import Reading
from edge_agent.core.reasons import MOST, Cause, Question, Reasons, Trail

NAMES = ["flow", "head", "speed", "power"]
UNITS = ["l/s", "m", "", "kW"]
INPUTS = [
    Input(name=n, unit=u, min=0, max=0, mean=m, std=s)
    for n, u, m, s in zip(NAMES, UNITS, OFFSET, SCALE, strict=True)
]
CORRELATION = np.eye(4)
CORRELATION[2, 3] = CORRELATION[3, 2] = 0.95
FACTOR = np.linalg.inv(np.linalg.cholesky(CORRELATION))
ENVELOPE = Envelope(
    low=[-1e9] * 4,
    high=[1e9] * 4,
    rate=[None] * 4,
    distance=1e9,
    factor=[row[: i + 1].tolist() for i, row in enumerate(FACTOR)],
)
BUNDLE = manifest(inputs=INPUTS, envelope=ENVELOPE)


def odd(packed: np.ndarray) -> np.ndarray:
    """A score of how far power is from what speed explains, and a little of the flow."""
    window = packed.reshape(4, 4)
    return np.array([np.mean((window[:, 3] - window[:, 2]) ** 2 + 0.2 * window[:, 0] ** 2)], np.float32)


def ask(bundle: Manifest, rows: np.ndarray, model=odd) -> tuple[Question, tuple[Cause, ...]]:
    asked = standardised(rows).reshape(-1)
    question = Question(bundle, bundle.outputs[0], rows, asked, float(model(asked)[0]))
    for place in question.candidates:
        occluded = question.occluded(place)
        question.hear(place, occluded, model(occluded))
    return question, question.causes()


def rows_with(**off: float) -> np.ndarray:
    rows = np.tile(np.array(OFFSET), (4, 1))
    for name, value in off.items():
        rows[:, NAMES.index(name)] += value
    return rows


def test_what_the_others_do_not_explain_is_named_first_in_its_unit():
    _, causes = ask(BUNDLE, rows_with(speed=4.0, power=8.0 + 16.0, flow=0.5))
    assert [c.input for c in causes] == ["power", "speed"]
    assert causes[0].number == 4
    # Speed is one deviation up, which explains 0.95 of one of power.
    assert causes[0].text == f"power {24 - 0.95 * 8:+.3g} kW above what the other inputs explain"


def test_a_load_that_goes_up_with_everything_is_no_cause():
    _, causes = ask(BUNDLE, rows_with(speed=8.0, power=16.0, flow=-3.0))
    assert [c.input for c in causes] == ["flow"]
    assert causes[0].text == "flow -3 l/s below what the other inputs explain"


def test_without_an_envelope_it_is_the_mean_that_counts():
    bare = msgspec.structs.replace(BUNDLE, envelope=None)
    _, causes = ask(bare, rows_with(power=16.0))
    assert [c.text for c in causes] == ["power +16 kW above its mean in training"]


def test_limits_on_what_must_not_fall_ask_what_made_it_fall():
    low = manifest(inputs=INPUTS, envelope=ENVELOPE, outputs=limited(Limits(on=-1, off=0, when="below")))
    _, causes = ask(low, rows_with(flow=-3.0), model=lambda packed: -odd(packed))
    assert [c.input for c in causes] == ["flow"]


def test_a_model_that_answers_no_number_says_nothing():
    _, causes = ask(BUNDLE, rows_with(power=16.0), model=lambda _: np.array([math.nan], np.float32))
    assert causes == ()


def test_no_more_than_some_are_asked_those_that_are_furthest_off_first():
    many = [Input(name=f"i{i}", min=0, max=1, mean=0, std=1) for i in range(40)]
    tensor = msgspec.structs.replace(
        MANIFEST.model.inputs[0], shape=[1, 4, 40], columns=[i.name for i in many]
    )
    model = msgspec.structs.replace(MANIFEST.model, inputs=[tensor])
    wide = manifest(inputs=many, steps=[], model=model)
    rows = np.zeros((4, 40))
    rows[:, 31], rows[:, 7] = 9.0, -10.0
    question = Question(wide, wide.outputs[0], rows, np.zeros(160, np.float32), 1.0)
    assert question.candidates[:2] == [7, 31]
    assert len(question.candidates) == MOST


def test_of_a_model_with_a_state_only_the_latest_row_is_another():
    state = msgspec.structs.replace(BUNDLE, model=msgspec.structs.replace(MANIFEST.model, state=3))
    rows = rows_with(power=16.0)
    asked = np.concatenate((standardised(rows)[-1], np.array([5, 6, 7], np.float32)))
    question = Question(state, state.outputs[0], rows, asked, 1.0)
    occluded = question.occluded(3)
    np.testing.assert_array_equal(occluded[4:], [5, 6, 7])
    np.testing.assert_allclose(occluded[:4], [0, 0, 0, 0], atol=1e-6)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30))
def test_the_trail_is_what_was_held_at_every_tick(gaps):
    trail, held = Trail(4, 1), []
    for tick, gap in zip(np.cumsum(gaps).tolist(), gaps, strict=True):
        held += [held[-1]] * (gap - 1) if held else []
        held.append(tick)
        trail.push(tick, np.array([float(tick)]))
    rows = trail.rows()
    assert (rows is None) == (len(held) < 4)
    if rows is not None:
        assert rows[:, 0].tolist() == held[-4:]
    trail.restart()
    assert trail.rows() is None


def reading(alarm: bool, score: float = 0.9) -> Reading:
    return Reading(output="wear", score=score, alarm=alarm)


def test_it_asks_once_when_the_alarm_comes_and_keeps_the_causes_until_it_is_gone():
    reasons, asked = Reasons(BUNDLE), np.zeros(16, np.float32)
    cause = Cause(kind="above_mean", number=4, input="power", value=1.0)
    for tick in range(4):
        reasons.push(tick, np.array(OFFSET))
    assert reasons.see([reading(alarm=False)], asked) == ()
    assert reasons.question is None
    reasons.see([reading(alarm=True)], asked)
    assert reasons.question is not None
    assert reasons.answered((cause,)) == (cause,)
    assert reasons.see([reading(alarm=True)], asked) == (cause,)
    assert reasons.question is None
    assert reasons.see([reading(alarm=True, score=math.nan)], None) == (cause,)
    assert reasons.see([reading(alarm=False)], asked) == ()


def test_there_is_no_question_without_a_whole_window_or_a_score():
    reasons, asked = Reasons(BUNDLE), np.zeros(16, np.float32)
    reasons.push(0, np.array(OFFSET))
    reasons.see([reading(alarm=True)], asked)
    assert reasons.question is None
    reasons.see([reading(alarm=False)], asked)
    reasons.see([reading(alarm=True, score=math.nan)], None)
    assert reasons.question is None


def test_a_question_ends_with_its_alarm():
    reasons, asked = Reasons(BUNDLE), np.zeros(16, np.float32)
    for tick in range(4):
        reasons.push(tick, np.array(OFFSET))
    for alarm, asks in ((True, True), (True, True), (False, False)):
        reasons.see([reading(alarm=alarm)], asked)
        assert (reasons.question is not None) == asks


def test_a_forecast_names_what_it_forecast():
    output = msgspec.structs.replace(MANIFEST.outputs[0], kind="forecast", of="power", horizon=2, unit="kW")
    reasons = Reasons(msgspec.structs.replace(BUNDLE, outputs=[output]))
    (cause,) = reasons.see([reading(alarm=True, score=4.2)], np.zeros(16, np.float32))
    assert (cause.number, cause.text) == (4, "power 4.2 kW off what was forecast")
    assert reasons.question is None


def test_the_packed_input_is_the_one_that_was_asked_where_nothing_is_off():
    rows = rows_with()
    question, _ = ask(BUNDLE, rows)
    for place in range(4):
        assert question.occluded(place).tobytes() == standardised(rows).reshape(-1).tobytes()


@pytest.mark.parametrize("place", range(4))
def test_one_input_alone_is_another(place):
    rows = rows_with(flow=3.0, head=-4.0, speed=9.0, power=30.0)
    question, _ = ask(BUNDLE, rows)
    changed = question.occluded(place).reshape(4, 4) != standardised(rows)
    assert changed.all(axis=0).tolist() == [i == place for i in range(4)]
    assert changed.any(axis=0).tolist() == [i == place for i in range(4)]
