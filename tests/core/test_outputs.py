"""Several outputs of one machine, cycle by cycle: classes, forecasts, alarms of their own."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from dense_model import MANIFEST, manifest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_pipeline import ROW, S, image

from converter import decisions
from converter.dataset import Windows
from edge_agent.core.manifest import InputTensor, Limits, Manifest, Output, OutputTensor
from edge_agent.core.pipeline import Pipeline, Verdict, windows
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason

NAMES = [i.name for i in MANIFEST.inputs]
RISK = Output(name="risk", kind="probability", tensor="risk", limits=Limits(on=0.8, off=0.6))
STATE = Output(name="state", kind="class", tensor="state", classes=["ok", "dry", "worn"], normal="ok")
AHEAD = Output(name="ahead", kind="forecast", tensor="ahead", scale=2, offset=1, of="head", horizon=3)
ZONE = msgspec.structs.replace(STATE, name="zone", normal="")


def of(*outputs: Output, window: int = 1, max_gap: float = 0.0) -> Manifest:
    """A bundle whose packed answer is a risk, three classes and what is forecast."""
    tensors = [
        OutputTensor(name=n, shape=[1, size], tolerance=0)
        for n, size in (("risk", 1), ("state", 3), ("ahead", 1))
    ]
    whole = InputTensor(name="window", shape=[1, window, 4], columns=NAMES)
    model = msgspec.structs.replace(MANIFEST.model, inputs=[whole], outputs=tensors)
    return manifest(outputs=list(outputs), model=model, steps=[], window=window, max_gap=max_gap)


def said(pipeline: Pipeline, tick: int, answer: list[float], head: float = 20.0, **bad: Any) -> Verdict:
    asked = pipeline.take(tick, image([10.0, head, 30.0, 40.0], **bad))
    reply = None if asked is None else np.array(answer, np.float32)
    return pipeline.conclude(asked, reply, tick * S)


def answer(
    risk: float = 0.0, state: tuple[float, float, float] = (1, 0, 0), ahead: float = 0.0
) -> list[float]:
    return [risk, *state, ahead]


def test_a_class_is_the_largest_and_its_score_is_what_is_not_normal() -> None:
    verdict = said(Pipeline(of(STATE, ZONE)), 0, answer(state=(0.25, 0.125, 0.625)))
    state, zone = verdict.readings
    assert (state.score, state.value, state.confidence) == (0.75, 2.0, 0.625)
    assert (zone.score, zone.value, zone.confidence) == (2.0, 2.0, 0.625)
    assert verdict.score == 0.75


def test_the_first_output_is_the_machines_score_and_any_alarm_is_its_alarm() -> None:
    worn = msgspec.structs.replace(STATE, limits=Limits(on=0.5, off=0.5))
    pipeline = Pipeline(of(RISK, worn))
    steps = [
        (answer(0.9), ["risk"], True),
        (answer(0.9, (0, 0, 1)), ["risk", "state"], True),
        (answer(0.1, (0, 0, 1)), ["state"], True),
        (answer(0.1, (0, 0, 1)), ["state"], False),
        (answer(0.1), [], True),
    ]
    for tick, (given_, alarms, changed) in enumerate(steps):
        verdict = said(pipeline, tick, given_)
        assert verdict.score == np.float32(given_[0])
        assert [r.output for r in verdict.readings if r.alarm] == alarms
        assert (verdict.alarm, verdict.changed) == (bool(alarms), changed)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_an_answer_that_is_not_finite_anywhere_is_no_score_of_any_output(place: int, wrong: float) -> None:
    pipeline = Pipeline(of(RISK, STATE, AHEAD))
    said(pipeline, 0, answer(0.9))
    given_ = answer(0.1)
    given_[place] = wrong
    verdict = said(pipeline, 1, given_)
    assert (verdict.state, verdict.reason) == (State.FAULT, Reason.MODEL_NOT_FINITE)
    assert all(math.isnan(n) for r in verdict.readings for n in (r.score, r.value, r.confidence))
    assert [r.alarm for r in verdict.readings] == [True, False, False], "an alarm stays"


def test_a_number_that_no_output_means_may_be_anything() -> None:
    verdict = said(Pipeline(of(RISK)), 0, [0.5, math.nan, math.inf, 0.0, math.nan])
    assert (verdict.valid, verdict.score) == (True, 0.5)


def test_a_forecast_is_judged_when_its_time_has_come() -> None:
    pipeline = Pipeline(of(AHEAD))
    verdicts = [said(pipeline, tick, answer(ahead=float(tick)), head=10.0 * tick) for tick in range(5)]
    assert [v.reason for v in verdicts] == [Reason.WARMING_UP] * 3 + [Reason.NONE] * 2
    assert [v.state for v in verdicts] == [State.STARTING] * 3 + [State.ADVISORY] * 2
    assert [v.readings[0].value for v in verdicts] == [1, 3, 5, 7, 9], "in engineering units, at once"
    assert [v.score for v in verdicts[3:]] == [abs(1 - 30), abs(3 - 40)]


def test_another_output_does_not_wait_for_the_forecast() -> None:
    pipeline = Pipeline(of(RISK, AHEAD))
    verdicts = [said(pipeline, tick, answer(0.5)) for tick in range(4)]
    assert all(v.valid for v in verdicts)
    assert [math.isnan(v.readings[1].score) for v in verdicts] == [True, True, True, False]


def test_forecasts_are_forgotten_when_the_window_restarts() -> None:
    pipeline = Pipeline(of(AHEAD))
    for tick in range(4):
        assert said(pipeline, tick, answer()).valid == (tick == 3)
    said(pipeline, 4, answer(), bad=1)
    after = [said(pipeline, tick, answer()).reason for tick in range(5, 9)]
    assert after == [Reason.WARMING_UP] * 3 + [Reason.NONE]


def test_forecasts_are_forgotten_when_ticks_were_missed_beyond_the_gap() -> None:
    pipeline = Pipeline(of(AHEAD))
    for tick in range(4):
        said(pipeline, tick, answer())
    assert said(pipeline, 5, answer()).reason is Reason.WARMING_UP


def test_a_cycle_without_an_answer_leaves_a_hole_in_the_forecasts_and_no_more() -> None:
    pipeline = Pipeline(of(AHEAD))
    said(pipeline, 0, answer())
    asked = pipeline.take(1, image(ROW))
    pipeline.conclude(asked, Reason.MODEL_LATE, S)
    reasons = [said(pipeline, tick, answer()).reason for tick in (2, 3, 4, 5)]
    assert reasons == [Reason.WARMING_UP, Reason.NONE, Reason.WARMING_UP, Reason.NONE]


def test_a_held_input_is_what_came() -> None:
    pipeline = Pipeline(of(AHEAD, max_gap=2.0))
    for tick in range(3):
        said(pipeline, tick, answer(ahead=5.0))
    assert said(pipeline, 3, answer(), head=99.0, bad=1).score == abs(11 - 20)


numbers = st.floats(-1e6, 1e6, width=32)


@given(data=st.data(), window=st.integers(1, 3), horizon=st.integers(1, 6), n=st.integers(1, 15))
def test_what_the_converter_makes_of_answers_equals_what_ticking_gives_bit_for_bit(
    data: st.DataObject, window: int, horizon: int, n: int
) -> None:
    ahead = msgspec.structs.replace(AHEAD, horizon=horizon, limits=Limits(on=1e5, off=5e4, on_delay=1))
    bundle = of(RISK, STATE, ahead, window=window)
    runs = [data.draw(arrays(np.float64, (n + window - 1, 4), elements=numbers)) for _ in range(2)]
    answers = data.draw(arrays(np.float32, (2 * n, 5), elements=numbers | st.just(math.nan)))
    starts = [0, 100]
    ends = np.concatenate([np.arange(n) + start + window - 1 for start in starts])
    latest = np.concatenate([run[window - 1 :] for run in runs])
    seen = Windows(ends, latest, np.concatenate([windows(bundle, run) for run in runs]))
    batched = decisions.courses(bundle, seen, answers)
    ticked = []
    replies = iter(answers)
    for start, run in zip(starts, runs, strict=True):
        pipeline = Pipeline(bundle)
        for tick, row in enumerate(run, start):
            asked = pipeline.take(tick, image(row))
            if asked is not None:
                ticked.append(pipeline.conclude(asked, next(replies), tick * S).readings)
    for place, output in enumerate(bundle.outputs):
        course = batched[output.name]
        for name, told in (("score", course.scores), ("value", course.values), ("alarm", course.alarm)):
            np.testing.assert_array_equal([getattr(r[place], name) for r in ticked], told)
