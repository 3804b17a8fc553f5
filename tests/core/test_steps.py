"""The contract of every step that is installed, found by itself: what holds for one holds for all.

A step needs an example in `EXAMPLES`, or the suite fails; a package with steps of its own runs the same
checks on them.
"""

import math

import msgspec
import numpy as np
import pytest
from dense_model import manifest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_agent import installed
from edge_agent.core.manifest import Input
from edge_agent.core.preparation import Chain, Preparation
from edge_agent.core.steps import CLOCK, OWN, Step, StepError
from edge_agent.core.tags import Floats

COLUMNS = ["a", "b", "rpm", *(f"v[{i}]" for i in range(16)), *(f"n[{i}]" for i in range(16))]
PERIOD = 0.5
EXAMPLES: dict[str, list[dict]] = {
    "affine": [{"offset": [1.0], "scale": [3.0]}, {"columns": ["b"], "offset": [1.0], "scale": [3.0]}],
    "standardise": [{}, {"columns": ["b", "a"]}],
    "min_max": [{"columns": ["a"], "low": -1.0}],
    "divide_by_max": [{"columns": ["a"]}],
    "clip": [{}, {"columns": ["a"], "low": [-1.0], "suffix": "_clipped"}],
    "difference": [{"rows": 3}],
    "rate": [{"columns": ["a", "rpm"], "suffix": "_rate"}],
    "log": [{"floor": 0.001, "columns": ["a"]}],
    "one_hot": [{"column": "a", "values": [0.0, 1.0, 2.5]}],
    "ratio": [{"columns": ["a"], "by": "b", "floor": 0.5}],
    "select": [{"columns": ["rpm", "a"]}],
    "rolling_mean": [{"rows": 2}, {"rows": 40, "columns": ["a"]}, {"rows": 40}],
    "rolling_std": [{"rows": 5}, {"rows": 40, "columns": ["a"]}],
    "rolling_rms": [{"rows": 7, "columns": ["b", "a"], "suffix": "_rms"}],
    "rolling_kurtosis": [{"rows": 4, "columns": ["b", "a"]}],
    "rolling_crest": [{"rows": 20, "columns": ["b"]}],
    "band_power": [
        {"column": "v", "rate": 160.0, "bands": [[0, 30], [30, 80]]},
        {"column": "v", "rate": 160.0, "bands": [[10, 50]], "taper": "rectangular"},
    ],
    "order_power": [
        {"column": "v", "speed": "rpm", "rate": 160.0, "orders": [[0.5, 1.5], [1.5, 4]], "slowest": 1300.0},
        {"column": "v", "speed": "n", "rate": 160.0, "orders": [[1, 3]], "slowest": 1300.0},
    ],
    "calendar": [{}, {"parts": ["weekday"], "utc_offset": 5.5}],
    "run_hours": [{"column": "a", "above": 0.5, "hours": 0.001}],
}

CASES = [(name, place) for name in installed.names() for place in range(len(EXAMPLES.get(name, [])))]


def columns_of(step: Step) -> list[str]:
    return [*COLUMNS, CLOCK] if step.clock else COLUMNS


def example(name: str, place: int = 0) -> Step:
    """A step with every parameter known."""
    found = installed.find(name)
    assert found is not None
    step: Step = msgspec.convert(EXAMPLES[name][place], found)
    columns = columns_of(step)
    return step.fitted(columns, np.random.default_rng(1).normal(3, 2, (50, len(columns))))


def prepared(step: Step) -> Preparation:
    inputs = [Input(name=name, min=0, max=1, mean=0, std=1) for name in COLUMNS]
    return Preparation(manifest(inputs=inputs, steps=[step], period=PERIOD))


def recording(step: Step, rows: int, seed: int) -> Floats:
    """Rows such as a machine gives: slow columns, a speed around 1500, waveforms, and a clock."""
    draw = np.random.default_rng(seed)
    width = len(columns_of(step))
    found = np.round(draw.normal(1, 2, (rows, width)), 2)
    found[:, 2] = draw.uniform(1000, 2000, rows)
    found[:, 19:35] = draw.uniform(1200, 1800, (rows, 16))
    if step.clock:
        found[:, -1] = 1.7e9 + PERIOD * np.arange(rows)
    return found


def test_every_installed_step_has_an_example() -> None:
    assert set(installed.names()) <= EXAMPLES.keys()


@pytest.mark.parametrize(("name", "place"), CASES)
def test_row_by_row_equals_the_batch_bit_for_bit(name: str, place: int) -> None:
    step = example(name, place)
    prepare = prepared(step)
    rows = recording(step, 60 + prepare.memory, 2)
    batch = prepare(rows)
    assert batch.shape == (60, len(prepare.features))
    chain = Chain(prepare)
    ticked = [row for r in rows if (row := chain.push(r)) is not None]
    assert np.array(ticked).tobytes() == batch.tobytes()
    several = prepare(np.stack([rows, rows[::-1]]))
    assert several[0].tobytes() == batch.tobytes()
    plan = step.plan(columns_of(step), PERIOD)
    part = plan.run(rows[20 : 30 + plan.memory])
    assert part.tobytes() == plan.run(rows)[20:30].tobytes(), "in float64, too"


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_reset_is_a_new_step_and_a_replay_a_warm_one(name: str, place: int) -> None:
    step = example(name, place)
    prepare = prepared(step)
    rows = recording(step, 60 + prepare.memory, 3)
    used, new = Chain(prepare), Chain(prepare)
    for row in rows[:30]:
        used.push(row)
    used.restart()
    again = [(used.push(row), new.push(row)) for row in rows[30:]]
    assert all((a is None and b is None) or a.tobytes() == b.tobytes() for a, b in again)
    warm = Chain(prepare)
    assert warm.replay(rows[30:]).tobytes() == prepare(rows[30:]).tobytes()
    fresh = recording(step, 5, 4)
    assert all(warm.push(row).tobytes() == used.push(row).tobytes() for row in fresh)


@pytest.mark.parametrize(("name", "place"), CASES)
def test_the_input_is_left_as_it_was(name: str, place: int) -> None:
    step = example(name, place)
    rows = recording(step, 50, 5)
    rows.flags.writeable = False
    before = rows.copy()
    step.plan(columns_of(step), PERIOD).run(rows)
    assert np.array_equal(rows, before)


ODD = [0.0, -0.0, 1.0, -1.0, 5e-324, 1e-160, 1e100, 1500.0]
awkward = st.sampled_from(ODD) | st.floats(-1e100, 1e100)


@pytest.mark.parametrize(("name", "place"), CASES)
@settings(max_examples=30)
@given(data=st.data())
def test_finite_numbers_never_become_nan(name: str, place: int, data: st.DataObject) -> None:
    step = example(name, place)
    plan = step.plan(columns_of(step), PERIOD)
    shape = (plan.memory + 3, len(columns_of(step)))
    rows = data.draw(arrays(np.float64, shape, elements=awkward, fill=awkward))
    with np.errstate(all="ignore"):
        found = plan.run(rows)
    assert found.shape == (3, len(plan.columns))
    assert not np.isnan(found).any()


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_step_survives_being_written_and_read(name: str) -> None:
    step = example(name)
    assert msgspec.json.decode(msgspec.json.encode(step), type=type(step)) == step


def one(step: Step, rows: Floats, columns: list[str]) -> dict[str, float]:
    """The last row that a step makes, by column."""
    plan = step.plan(columns, PERIOD)
    return dict(zip(plan.columns, plan.run(rows)[-1].tolist(), strict=True))


def make(name: str, **parameters: object) -> Step:
    return msgspec.convert(parameters, OWN[name])


@pytest.mark.parametrize(
    ("step", "value"),
    [
        (make("difference", rows=2), 8 - 2),
        (make("rate", rows=2), 6 / (2 * PERIOD)),
        (make("rolling_mean", rows=4), (1 + 2 + 4 + 8) / 4),
        (make("rolling_std", rows=4), np.std([1, 2, 4, 8])),
        (make("rolling_rms", rows=4), math.sqrt((1 + 4 + 16 + 64) / 4)),
        (make("rolling_crest", rows=4), 8 / math.sqrt((1 + 4 + 16 + 64) / 4)),
        (
            make("rolling_kurtosis", rows=4),
            np.mean((np.array([1, 2, 4, 8]) - 3.75) ** 4) / np.var([1, 2, 4, 8]) ** 2,
        ),
        (make("log", floor=0.5), math.log(8)),
        (make("clip", low=[0], high=[5]), 5),
    ],
)
def test_a_statistic_is_what_its_name_says(step: Step, value: float) -> None:
    rows = np.array([[5.0], [1], [2], [4], [8]])
    assert one(step, rows, ["x"]) == {"x": pytest.approx(value, rel=1e-14)}


def test_what_has_no_spread_has_kurtosis_and_crest_factor_0() -> None:
    still = np.full((5, 1), 0.1)
    assert one(make("rolling_kurtosis", rows=5), still, ["x"]) == {"x": 0}
    assert one(make("rolling_crest", rows=5), 0 * still, ["x"]) == {"x": 0}


def test_codes_become_columns_and_an_unknown_one_is_in_none() -> None:
    step = make("one_hot", column="gear", values=[1, 2])
    assert one(step, np.array([[7.0, 2.0]]), ["x", "gear"]) == {"x": 7, "gear=1": 0, "gear=2": 1}
    assert one(step, np.array([[7.0, 9.0]]), ["x", "gear"]) == {"x": 7, "gear=1": 0, "gear=2": 0}


def test_the_calendar_knows_hour_and_weekday() -> None:
    noon_of_a_monday = 1_704_110_400.0  # 2024-01-01 12:00 UTC
    found = one(make("calendar"), np.array([[noon_of_a_monday]]), [CLOCK])
    assert found["hour_cos"] == pytest.approx(-1)
    assert found["weekday_cos"] == pytest.approx(math.cos(2 * math.pi * 0.5 / 7))
    assert found["weekday_sin"] == pytest.approx(math.sin(2 * math.pi * 0.5 / 7))
    later = one(make("calendar", utc_offset=6), np.array([[noon_of_a_monday]]), [CLOCK])
    assert (later["hour_sin"], later["hour_cos"]) == (pytest.approx(-1), pytest.approx(0, abs=1e-9))


def test_run_hours_begin_anew_with_every_start_and_end_at_their_limit() -> None:
    step = make("run_hours", column="x", above=0, hours=4 * PERIOD / 3600)
    plan = step.plan(["x"], PERIOD)
    assert plan.memory == 3
    rows = np.array([[1.0], [1], [0], [1], [1], [1], [1], [1]])
    hours = plan.run(rows)[:, 1] * 3600 / PERIOD
    assert hours.round(9).tolist() == [1, 2, 3, 4, 4]


def wave(*parts: tuple[float, float], n: int = 1000, rate: float = 1000.0) -> Floats:
    """A sum of sines: amplitude, Hz."""
    at = np.arange(n) / rate
    return np.sum([size * np.sin(2 * np.pi * hertz * at + 0.3) for size, hertz in parts], axis=0)


@given(
    arrays(np.float64, st.integers(30, 41), elements=st.floats(-100, 100)),
    st.sampled_from(["hann", "rectangular"]),
)
def test_all_bands_together_hold_the_mean_square_of_the_tapered_waveform(x: Floats, taper: str) -> None:
    n = len(x)
    names = [f"v[{i}]" for i in range(n)]
    step = make("band_power", column="v", rate=10.0, bands=[(0, 1.5), (1.5, 3.3), (3.3, 5)], taper=taper)
    total = sum(one(step, x[np.newaxis], names).values())
    shape = np.ones(n) if taper == "rectangular" else 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    expected = np.sum(((x - x.mean()) * shape) ** 2) / np.sum(shape**2)
    assert total == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_sine_is_in_its_band_with_half_its_squared_amplitude() -> None:
    x = wave((2, 50), (0.5, 200)) + 7
    step = make("band_power", column="v", rate=1000.0, bands=[(0, 10), (40, 60), (190, 210), (300, 500)])
    found = one(step, x[np.newaxis], [f"v[{i}]" for i in range(1000)])
    assert list(found) == ["v 0-10 Hz", "v 40-60 Hz", "v 190-210 Hz", "v 300-500 Hz"]
    assert list(found.values()) == [pytest.approx(p, abs=1e-9) for p in (0, 2, 0.125, 0)]


@pytest.mark.parametrize("rpm", [1500.0, 1733.0, 2900.0])
def test_an_order_stays_in_its_band_whatever_the_speed(rpm: float) -> None:
    x = wave((2, rpm / 60), (1, 3.5 * rpm / 60), rate=2000.0, n=2000)
    names = [*(f"v[{i}]" for i in range(2000)), "rpm"]
    bands = [(0.5, 1.5), (2, 3), (3.2, 3.8)]
    step = make("order_power", column="v", speed="rpm", rate=2000.0, orders=bands, slowest=1200.0)
    found = one(step, np.append(x, rpm)[np.newaxis], names)
    assert found["rpm"] == rpm
    assert [found[f"v order {a:g}-{b:g}"] for a, b in bands] == [
        pytest.approx(p, abs=0.01) for p in (2, 0, 0.5)
    ]
    assert one(step, np.append(x, 1100.0)[np.newaxis], names)["v order 0.5-1.5"] == 0, "too slow"


def test_an_order_is_sharp_while_the_speed_rises() -> None:
    n, rate = 4000, 2000.0
    rpm = np.linspace(1400, 2600, n)
    turns = np.concatenate(([0.0], np.cumsum((rpm[1:] + rpm[:-1]) / 2 / 60 / rate)))
    row = np.concatenate((2 * np.sin(2 * np.pi * 4 * turns), rpm))
    names = [*(f"v[{i}]" for i in range(n)), *(f"s[{i}]" for i in range(n))]
    bands = [(0.5, 3.8), (3.8, 4.2), (4.2, 8)]
    tracked = make("order_power", column="v", speed="s", rate=rate, orders=bands, slowest=1200.0)
    found = list(one(tracked, row[np.newaxis], names).values())
    assert found == [pytest.approx(0, abs=0.01), pytest.approx(2, abs=0.02), pytest.approx(0, abs=0.01)]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (make("affine", offset=[0], scale=[0]), "0 divides by zero"),
        (make("affine", offset=[0, 1, 2], scale=[1]), "3 numbers for 2 columns"),
        (make("clip", low=[1], high=[0]), "low must not be above high"),
        (make("log", floor=0), "must be more than 0"),
        (make("rolling_rms", rows=1), "rows 1: 2 to 100000"),
        (make("difference", rows=0), "rows 0"),
        (make("select", columns=["a", "a"]), "names a column twice"),
        (make("select", columns=["c"]), "there is no column 'c' here, only a, b"),
        (make("one_hot", column="a", values=[1, 1]), "each once"),
        (make("ratio", columns=["a"], by="a", floor=1), "`by` must not be one of them"),
        (make("band_power", column="a", rate=1, bands=[(0, 1)]), "'a' is no group of columns"),
        (make("run_hours", column="a", above=0, hours=1e9), "1 to 100000 are possible"),
        (make("standardise"), "is for cards only"),
        (make("calendar"), "there is no column 'time'"),
    ],
)
def test_a_step_that_cannot_work_says_why(step: Step, told: str) -> None:
    with pytest.raises(StepError, match=told):
        step.plan(["a", "b"], 1.0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bands": []}, "names no band"),
        ({"bands": [(0, 6)]}, "band 0-6"),
        ({"bands": [(2.01, 2.02)]}, "no narrower than the distance of two lines"),
        ({"rate": 0}, "rate 0"),
    ],
)
def test_a_band_that_cannot_be_is_told(changes: dict, told: str) -> None:
    step = make("band_power", **{"column": "v", "rate": 10.0, "bands": [(1, 2)], **changes})
    with pytest.raises(StepError, match=told):
        step.plan([f"v[{i}]" for i in range(20)], 1.0)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(CASES), min_size=1, max_size=4), st.integers(0, 99))
def test_steps_after_each_other_are_bit_for_bit_the_batch_too(cases: list, seed: int) -> None:
    inputs = [Input(name=name, min=0, max=1, mean=0, std=1) for name in COLUMNS]
    steps = [example(name, place) for name, place in cases]
    try:
        prepare = Preparation(manifest(inputs=inputs, steps=steps, period=PERIOD))
    except StepError:
        return
    rows = recording(example("calendar" if CLOCK in prepare.columns else "clip"), 40 + prepare.memory, seed)
    chain = Chain(prepare)
    ticked = [row for r in rows if (row := chain.push(r)) is not None]
    assert np.array(ticked, np.float32).tobytes() == prepare(rows).tobytes()
    few, new = rows[: seed % 10 + 1], Chain(prepare)
    assert chain.replay(few).shape[1] == len(prepare.features)
    for row in few:
        new.push(row)
    for row in rows:
        a, b = chain.push(row), new.push(row)
        assert (a is None and b is None) or a.tobytes() == b.tobytes(), "nothing is left of what was before"
