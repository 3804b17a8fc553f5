"""Gaps: what is filled tick by tick equals what the record is filled with at once, as far as it is known."""

import math

import msgspec
import numpy as np
import pytest
from dense_model import MANIFEST, manifest, text
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.fill import Fill, Mask, between, filled
from edge_agent.core.manifest import Input, InputTensor, Manifest
from edge_agent.core.parsing import ManifestError, parse
from edge_agent.core.pipeline import Pipeline
from edge_agent.core.preparation import Preparation
from edge_agent.core.steps import Step
from edge_agent.core.steps.change import Difference
from edge_agent.core.steps.rolling import RollingRms
from edge_agent.core.tags import Columns, Floats, Quality, Reason

S = 1_000_000_000


def bundle(fills: list[Fill], rows: int, max_gap: int, steps: list[Step]) -> Manifest:
    """A bundle of as many inputs, named a, b, ..., one row a second."""
    inputs = [Input(name=chr(97 + i), min=0, max=1, mean=0, std=1, fill=f) for i, f in enumerate(fills)]
    bare = manifest(inputs=inputs, steps=steps, window=rows, period=1.0, max_gap=float(max_gap))
    features = list(Preparation(bare).features)
    whole = InputTensor(name="window", shape=[1, rows, len(features)], columns=features)
    return msgspec.structs.replace(bare, model=msgspec.structs.replace(MANIFEST.model, inputs=[whole]))


def image(row: Floats, measured: Mask, tick: int) -> Columns:
    """What is not measured is BAD in even ticks; in odd ones an old value is read again."""
    bad = ~measured & (tick % 2 == 0)
    quality = np.where(bad, Quality.BAD, Quality.GOOD).astype(np.uint8)
    reason = np.where(bad, Reason.TIMEOUT, Reason.NONE).astype(np.uint8)
    at = np.where(measured, tick, 0).astype(np.int64) * S
    return Columns(np.where(bad, math.nan, row), quality, reason, at).frozen()


def seen(of: Manifest, rows: Floats, measured: Mask) -> list[bytes | None]:
    """What the model is asked at every tick."""
    pipeline = Pipeline(of)
    found = []
    for tick, (row, known) in enumerate(zip(rows, measured, strict=True), 1):
        asked = pipeline.take(tick, image(row, known, tick), tick * S)
        found.append(None if asked is None else asked.tobytes())
    return found


STEPS: list[list[Step]] = [
    [],
    [RollingRms(rows=3, suffix="_rms")],
    [Difference(), RollingRms(rows=2)],
]


@given(
    data=st.data(),
    fills=st.lists(st.sampled_from(["linear", "pchip"]), min_size=1, max_size=3),
    rows=st.integers(1, 5),
    max_gap=st.integers(0, 3),
    steps=st.sampled_from(STEPS),
)
def test_a_record_with_gaps_fed_live_equals_the_same_record_filled_at_once(
    data: st.DataObject, fills: list[Fill], rows: int, max_gap: int, steps: list[Step]
) -> None:
    n, width = 30, len(fills)
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    table = draw.normal(size=(n, width)).round(2)
    measured = draw.random((n, width)) < data.draw(st.sampled_from([0.6, 0.8, 0.95]))
    measured[0] = True
    of = bundle(fills, rows, max_gap, steps)
    prepare = Preparation(of)
    live = seen(of, table, _begins(measured, max_gap))
    for tick in range(n):
        known = filled(table[: tick + 1], _begins(measured, max_gap)[: tick + 1], fills, max_gap)
        part = known[-prepare.span :]
        whole = len(part) == prepare.span and np.isfinite(part).all()
        expected = prepare(part).tobytes() if whole else None
        assert live[tick] == expected, f"tick {tick}"


def _begins(measured: Mask, max_gap: int) -> Mask:
    """A window begins with whatever can be read, so let what begins one be measured."""
    found = measured.copy()
    gaps = np.zeros(measured.shape[1], np.int64)
    broken = False
    for known in found:
        if broken:
            known[:] = True
            broken = False
        gaps = np.where(known, 0, gaps + 1)
        broken = bool(gaps.max() > max_gap)
    return found


def test_a_gap_is_held_until_its_end_has_come_and_then_filled() -> None:
    of = bundle(["linear", "hold"], 4, 2, [])
    rows = np.array([[0.0, 0], [1, 10], [9, 99], [9, 99], [4, 40]])
    measured = np.array([[True, True], [True, True], [False, False], [False, False], [True, True]])
    windows = [
        None if w is None else np.frombuffer(w, np.float32).reshape(4, 2) for w in seen(of, rows, measured)
    ]
    assert windows[3] is not None
    assert windows[3][:, 0].tolist() == [0, 1, 1, 1]
    assert windows[4] is not None
    assert windows[4][:, 0].tolist() == [1, 2, 3, 4]
    assert windows[4][:, 1].tolist()[-1] == 40


def test_a_held_input_takes_what_is_read_again_and_a_filled_one_does_not() -> None:
    rows, still = np.array([[1.0], [2], [3]]), np.array([[True], [False], [True]])
    rows[1] = 7
    read_again = np.vstack([still, still])[:3]
    for fill, middle in (("hold", 7.0), ("linear", 2.0)):
        of = bundle([fill], 3, 5, [])  # type: ignore[list-item]
        pipeline = Pipeline(of)
        asked = None
        for tick, (row, known) in enumerate(zip(rows, read_again, strict=True), 1):
            at = np.array([tick if known[0] else 1], np.int64) * S
            good = np.full(1, Quality.GOOD, np.uint8)
            asked = pipeline.take(tick, Columns(row, good, np.zeros(1, np.uint8), at), tick * S)
        assert asked is not None
        assert asked.tolist() == [1, middle, 3]


numbers = st.floats(-1e3, 1e3)


@given(before=numbers, left=numbers, right=numbers, gap=st.integers(1, 50))
def test_pchip_stays_between_the_ends_and_never_turns(
    before: float, left: float, right: float, gap: int
) -> None:
    found = np.concatenate(([left], between("pchip", before, left, right, gap), [right]))
    slack = 1e-9 * (1 + abs(left) + abs(right))
    assert (np.diff(found) * np.sign(right - left) >= -slack).all()
    assert min(left, right) - slack <= found.min() <= found.max() <= max(left, right) + slack


def test_pchip_is_the_cubic_with_the_slopes_of_fritsch_and_butland() -> None:
    """From 1 over 2 to 5, four rows on: slopes 1 and 3/4, so 15 / (9/1 + 6/0.75) at the left end."""
    left, right = 15 / 17, (9 * 0.75 - 4 * 1) / 5
    ends = [[1, 0, 0, 0], [1, 4, 16, 64], [0, 1, 0, 0], [0, 1, 8, 48]]
    cubic = np.linalg.solve(np.array(ends, np.float64), [2, 5, left, right])
    assert between("pchip", 1, 2, 5, 3) == pytest.approx(np.polyval(cubic[::-1], [1, 2, 3]), abs=1e-12)
    assert between("pchip", math.nan, 2, 5, 2).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"min_good": 1.5}, "min_good 1.5: is a share"),
        ({"inputs__0__max_age": 0}, "input flow: max_age 0"),
        ({"inputs__0__fill": "spline"}, "spline"),
        ({"model__state": 2, "inputs__0__fill": "linear"}, "a model with a state"),
        ({"model__state": 2, "min_good": 0.5}, "a model with a state"),
        ({"constants": [{"name": "flow", "min": 0, "max": 1, "mean": 0, "std": 1}]}, "constants among them"),
        ({"steps": [{"type": "fly"}]}, "the step 'fly' is not installed here"),
        ({"steps": [{"offset": [1]}]}, "a step needs a type"),
        (
            {"steps": [{"type": "affine", "offset": [1], "scale": ["x"]}]},
            "the step 'affine': Expected `float`.*scale",
        ),
        (
            {"steps": [{"type": "rolling_rms", "rows": 5, "columns": ["heat"]}]},
            r"steps\[0\] rolling_rms: there is no",
        ),
        ({"steps": [{"type": "rolling_rms", "rows": 100_000}] * 2}, "more than 100000"),
        (
            {"steps": [{"type": "clip", "low": [0], "high": [1], "suffix": "x"}]},
            "columns must name every input",
        ),
        ({"steps": [{"type": "one_hot", "column": "flow", "values": [1]}] * 2}, "there is no column 'flow'"),
    ],
)
def test_a_manifest_that_cannot_be_obeyed_is_told(changes: dict, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        parse(text(**changes))


def test_a_machine_without_its_constants_is_not_made() -> None:
    of = manifest(steps=[], constants=[Input(name="rated", min=55, max=55, mean=55, std=0)])
    with pytest.raises(ValueError, match="0 constants, the bundle names 1"):
        Pipeline(of)
