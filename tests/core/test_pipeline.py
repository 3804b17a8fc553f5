"""One machine's cycles as tables: what goes in, what the verdict says."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from dense_model import MANIFEST, limited, manifest, standardised
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_agent.core.manifest import Input, InputTensor, Limits, Output, OutputTensor
from edge_agent.core.pipeline import Pipeline, Verdict, windows
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Floats, Quality, Reason

S = 1_000_000_000
ROW = [10.0, 20.0, 30.0, 40.0]


def image(values: Sequence[float] | Floats, bad: int | None = None, why: Reason = Reason.TIMEOUT) -> Columns:
    n = len(values)
    columns = Columns(
        np.array(values, np.float64),
        np.full(n, Quality.GOOD, np.uint8),
        np.zeros(n, np.uint8),
        np.zeros(n, np.int64),
    )
    if bad is not None:
        soft = why in {Reason.OUT_OF_RANGE, Reason.DEVICE_UNCERTAIN}
        columns.quality[bad] = Quality.UNCERTAIN if soft else Quality.BAD
        columns.reason[bad] = why
        columns.value[bad] = columns.value[bad] if soft else math.nan
    return columns.frozen()


def answered(pipeline: Pipeline, tick: int, columns: Columns, answer: float = 0.5) -> Verdict:
    asked = pipeline.take(tick, columns)
    reply = None if asked is None else np.array([answer], np.float32)
    return pipeline.conclude(asked, reply, tick * S)


def warm(pipeline: Pipeline) -> int:
    for tick in range(4):
        answered(pipeline, tick, image(ROW))
    return 4


def test_it_warms_up_and_then_gives_a_score() -> None:
    pipeline = Pipeline(MANIFEST)
    said = [answered(pipeline, tick, image(ROW)) for tick in range(5)]
    assert [v.state for v in said] == [State.STARTING] * 3 + [State.ADVISORY] * 2
    assert [v.reason for v in said] == [Reason.WARMING_UP] * 3 + [Reason.NONE] * 2
    assert [v.valid for v in said] == [False] * 3 + [True] * 2
    assert [math.isnan(v.score) for v in said] == [True] * 3 + [False] * 2


def test_the_healthy_state_is_the_mode_that_the_machine_runs_in() -> None:
    pipeline = Pipeline(MANIFEST, mode="shadow")
    tick = warm(pipeline)
    assert answered(pipeline, tick, image(ROW)).state is State.SHADOW


def test_the_model_sees_the_prepared_rows_oldest_first() -> None:
    pipeline = Pipeline(MANIFEST)
    table = np.arange(20, dtype=np.float64).reshape(5, 4)
    for tick, row in enumerate(table):
        asked = pipeline.take(tick, image(row))
    assert asked is not None
    assert asked.dtype == np.float32
    np.testing.assert_array_equal(asked, standardised(table[1:]).reshape(-1))


@pytest.mark.parametrize(
    ("why", "bad"),
    [(Reason.TIMEOUT, 2), (Reason.NO_LINK, 0), (Reason.OUT_OF_RANGE, 3), (Reason.NOT_FINITE, 1)],
)
def test_a_gap_longer_than_max_gap_restarts_and_names_the_culprit(why: Reason, bad: int) -> None:
    pipeline = Pipeline(MANIFEST)
    tick = warm(pipeline)
    said = [answered(pipeline, tick + i, image(ROW, bad, why)) for i in range(4)]
    assert [v.valid for v in said] == [True, True, False, False]
    for verdict in said[2:]:
        assert (verdict.state, verdict.reason) == (State.FALLBACK, why)
        assert verdict.culprit == MANIFEST.inputs[bad].name
        assert math.isnan(verdict.score)
    again = [answered(pipeline, tick + 4 + i, image(ROW)) for i in range(4)]
    assert [v.reason for v in again] == [Reason.WARMING_UP] * 3 + [Reason.NONE]


@pytest.mark.parametrize(("skipped", "reason"), [(2, Reason.NONE), (3, Reason.LATE), (10**9, Reason.LATE)])
def test_a_scan_that_stood_still_restarts_the_window(skipped: int, reason: Reason) -> None:
    pipeline = Pipeline(MANIFEST)
    tick = warm(pipeline)
    assert answered(pipeline, tick + skipped, image(ROW)).reason is reason


@pytest.mark.parametrize("huge", [1e300, -1e300])
def test_a_value_that_float32_cannot_hold_never_reaches_the_model(huge: float) -> None:
    pipeline = Pipeline(manifest(max_gap=0.0))
    tick = warm(pipeline)
    verdict = answered(pipeline, tick, image([10.0, huge, 30.0, 40.0]))
    assert (verdict.state, verdict.reason) == (State.FALLBACK, Reason.NOT_FINITE)
    assert verdict.culprit == "head"


@pytest.mark.parametrize("answer", [math.nan, math.inf, -math.inf])
def test_an_answer_that_is_no_number_is_a_fault(answer: float) -> None:
    pipeline = Pipeline(MANIFEST)
    verdict = answered(pipeline, warm(pipeline), image(ROW), answer)
    assert (verdict.state, verdict.reason) == (State.FAULT, Reason.MODEL_NOT_FINITE)
    assert math.isnan(verdict.score)


@pytest.mark.parametrize("reason", [Reason.MODEL_DOWN, Reason.MODEL_LATE])
def test_the_reason_of_a_model_that_did_not_answer_passes_through(reason: Reason) -> None:
    pipeline = Pipeline(MANIFEST)
    asked = pipeline.take(warm(pipeline), image(ROW))
    verdict = pipeline.conclude(asked, reason, 9 * S)
    assert (verdict.state, verdict.reason, verdict.culprit) == (State.FAULT, reason, "")
    assert math.isnan(verdict.score)


def test_an_alarm_stays_through_a_fault_and_its_delay_starts_again() -> None:
    pipeline = Pipeline(manifest(outputs=limited(Limits(on=0.8, off=0.6, off_delay=2))))
    tick = warm(pipeline)
    scores = [0.9, 0.5, math.nan, 0.5, 0.5, 0.5]
    said = [answered(pipeline, tick + i, image(ROW), score) for i, score in enumerate(scores)]
    assert [v.alarm for v in said] == [True, True, True, True, True, False]
    assert [v.changed for v in said] == [True, False, False, False, False, True]


def test_a_bundle_without_limits_never_alarms() -> None:
    pipeline = Pipeline(manifest(outputs=limited(None)))
    verdict = answered(pipeline, warm(pipeline), image(ROW), 1.0)
    assert (verdict.valid, verdict.alarm) == (True, False)


@pytest.mark.parametrize(
    ("output", "answer", "score"),
    [
        (Output(name="p", kind="probability", tensor="answer"), [0.25], 0.25),
        (Output(name="v", kind="value", tensor="answer", scale=10, offset=-1), [0.25], 1.5),
        (Output(name="e", kind="reconstruction_error", tensor="answer", of="window"), [2.0] * 16, 4.0),
    ],
)
def test_the_score_means_what_the_bundle_says(output: Output, answer: list[float], score: float) -> None:
    tensor = OutputTensor(name="answer", shape=[1, len(answer)], tolerance=0)
    model = msgspec.structs.replace(MANIFEST.model, outputs=[tensor])
    pipeline = Pipeline(manifest(outputs=[output], model=model))
    asked = pipeline.take(warm(pipeline), image(ROW))
    assert pipeline.conclude(asked, np.array(answer, np.float32), 0).score == score


@pytest.mark.parametrize(("period", "max_gap", "held"), [(0.1, 0.3, 3), (1.0, 0.9, 0), (0.7, 2.1, 3)])
def test_max_gap_in_ticks_is_not_spoilt_by_rounding(period: float, max_gap: float, held: int) -> None:
    pipeline = Pipeline(manifest(period=period, max_gap=max_gap))
    tick = warm(pipeline)
    said = [answered(pipeline, tick + i, image(ROW, bad=0)).valid for i in range(held + 1)]
    assert said == [True] * held + [False]


numbers = st.floats(-1e6, 1e6, width=64)


@given(data=st.data(), inputs=st.integers(1, 4), rows=st.integers(1, 5), n=st.integers(0, 12))
def test_windows_of_a_table_equal_what_ticking_gives_bit_for_bit(
    data: st.DataObject, inputs: int, rows: int, n: int
) -> None:
    columns = [Input(name=str(i), min=0, max=1, mean=0, std=1) for i in range(inputs)]
    steps = [
        type(MANIFEST.steps[0])(
            offset=data.draw(st.lists(numbers, min_size=inputs, max_size=inputs)),
            scale=data.draw(st.lists(st.floats(0.001, 1000), min_size=inputs, max_size=inputs)),
        )
    ]
    whole = InputTensor(name="window", shape=[1, rows, inputs], columns=[i.name for i in columns])
    model = msgspec.structs.replace(MANIFEST.model, inputs=[whole])
    bundle = manifest(inputs=columns, steps=steps, window=rows, model=model)
    table = data.draw(arrays(np.float64, (n + rows, inputs), elements=numbers))
    pipeline = Pipeline(bundle)
    ticked = [
        asked.copy() for i, row in enumerate(table) if (asked := pipeline.take(i, image(row))) is not None
    ]
    built = windows(bundle, table)
    assert built.dtype == np.float32
    assert built.tobytes() == np.array(ticked).tobytes()
    assert built.shape == (n + 1, rows * inputs)


@pytest.mark.parametrize("hole", [math.nan, math.inf])
def test_a_table_with_a_hole_has_no_windows(hole: float) -> None:
    table = np.zeros((9, 4))
    table[5, 2] = hole
    with pytest.raises(ValueError, match="NaN or infinity"):
        windows(MANIFEST, table)
