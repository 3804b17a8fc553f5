"""Limits for a budget of false alarms: known distributions, delays, histories that are too short."""

from pathlib import Path

import numpy as np
import pytest
from sources import EXAMPLES

from converter import ConverterError, convert
from converter.alarm_budget import COMMON, Budget, TooShort, _raised, choose
from converter.process import TensorFlow
from edge_agent import bundle

PERIOD, WEEK = 60.0, 604_800.0
MINUTES = 10_080


def chosen(scores: np.ndarray, **options: object) -> Budget:
    return choose("o", [scores], PERIOD, 1 / WEEK, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
def test_one_a_week_of_exponential_noise_is_where_its_formula_has_it(seed: int) -> None:
    found = chosen(np.random.default_rng(seed).exponential(size=20 * MINUTES), on_delay=0.0)
    # One of 10,080 independent scores is beyond the logarithm of that.
    exact = np.log(MINUTES)
    assert found.low < exact < found.high
    assert found.limits.on == pytest.approx(exact, abs=0.8)
    assert found.limits.off < found.limits.on


def test_a_new_history_has_about_as_many_alarms_as_asked_for() -> None:
    dice = np.random.default_rng(5)
    weeks = 60
    found = chosen(dice.standard_t(5, 10 * MINUTES), on_delay=0.0)
    raised = _raised(found.limits, dice.standard_t(5, weeks * MINUTES), PERIOD)
    assert weeks / 3 < raised < weeks * 3


def test_a_longer_history_is_surer_and_only_a_long_one_is_a_promise() -> None:
    scores = np.random.default_rng(2).normal(size=30 * MINUTES)
    short, long = chosen(scores[: 2 * MINUTES], on_delay=0.0), chosen(scores, on_delay=0.0)
    assert long.high - long.low < short.high - short.low
    assert not short.promised
    assert short.needed == pytest.approx(3 * WEEK)


def test_three_budgets_without_an_alarm_are_a_promise() -> None:
    scores = np.random.default_rng(3).normal(size=4 * MINUTES)
    found = chosen(scores, on_delay=0.0)
    clipped = chosen(np.minimum(scores, found.limits.on - 0.2), on_delay=0.0)
    assert clipped.raised == 0
    assert clipped.at_most == pytest.approx(3 / clipped.history, rel=0.01)
    assert clipped.promised


def test_a_delay_is_chosen_where_single_scores_are_the_noise_and_not_where_it_gains_nothing() -> None:
    dice = np.random.default_rng(4)
    spikes = dice.normal(size=8 * MINUTES) + 20 * (dice.random(8 * MINUTES) < 0.001)
    delayed = chosen(spikes)
    assert delayed.limits.on_delay >= PERIOD
    assert delayed.limits.on < 6 < chosen(spikes, on_delay=0.0).limits.on
    assert delayed.limits.on >= np.quantile(spikes, COMMON)
    slow = np.convolve(dice.normal(size=8 * MINUTES + 200), np.ones(201) / 201, "valid")
    assert chosen(slow).limits.on_delay <= 2 * PERIOD


def test_what_must_not_fall_is_the_mirror_image() -> None:
    scores = np.random.default_rng(6).exponential(size=5 * MINUTES)
    above, below = chosen(scores, on_delay=0.0), chosen(-scores, on_delay=0.0, below=True)
    assert below.limits.when == "below"
    assert (below.limits.on, below.limits.off) == (-above.limits.on, -above.limits.off)
    assert (below.low, below.high) == (-above.high, -above.low)
    assert below.raised == above.raised


@pytest.mark.parametrize("scores", [np.empty(0), np.full(50, np.nan), np.zeros(5), np.ones(1000)])
def test_too_little_says_so(scores: np.ndarray) -> None:
    with pytest.raises(TooShort, match=r"healthy history"):
        chosen(scores)


def test_a_conversion_keeps_to_the_budget_and_says_what_it_cannot_promise(
    line: Path, tensorflow: TensorFlow, tmp_path: Path
) -> None:
    files = line / "line_efficiency.keras", line / "data.npy", EXAMPLES / "line_efficiency/card.toml"
    out = tmp_path / "kept.bundle"
    found = convert(*files, out, "float32", false_alarms=1 / 86_400.0, tensorflow=tensorflow)
    assert found.alarm is not None
    (output,) = bundle.read(out).manifest.outputs
    assert output.limits == found.alarm.limits
    assert found.alarm.low <= found.alarm.limits.on <= found.alarm.high
    assert found.alarm.history == found.rows * bundle.read(out).manifest.period
    assert any("would promise it" in warning for warning in found.warnings) != found.alarm.promised
    assert any("was trained on" in warning for warning in found.warnings)
    with pytest.raises(ConverterError, match="more than one in 10 scores"):
        convert(*files, tmp_path / "not.bundle", "float32", false_alarms=10.0, tensorflow=tensorflow)
    assert not (tmp_path / "not.bundle").exists()
