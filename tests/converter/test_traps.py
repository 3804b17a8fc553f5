"""What TensorFlow and LiteRT do wrong without a word: that they still do, and that it is noticed."""

import json
from pathlib import Path

import pytest
from forked import script


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> dict:
    told = script(Path(__file__).with_name("build_traps.py"), tmp_path_factory.mktemp("traps"))
    found: dict = json.loads(told.splitlines()[-1])
    return found


def test_a_calibration_without_windows_gives_a_float_model_which_is_refused(trapped: dict) -> None:
    found = trapped["no_windows"]
    assert found["dtypes"] == ["float32"]
    assert found["weights"] == "TensorFlow left 40 weights as float32, which is not int8; use float32"
    assert found["convert"].startswith("the windows to calibrate with are none")


def test_infinity_would_crash_the_calibration_and_is_refused_before(trapped: dict) -> None:
    assert trapped["infinity"]["convert"].endswith("hold NaN or infinity")


def test_a_model_that_lost_its_weights_is_refused(trapped: dict) -> None:
    assert set(trapped["dropped_weights"]) == {"dense", "gru"}
    assert all("left the weights behind" in said for said in trapped["dropped_weights"].values())


def test_a_scale_spans_what_it_was_calibrated_with_and_not_its_moving_average(trapped: dict) -> None:
    """The average of ai-edge-quantizer keeps 0.95 of the past: nothing of 40 would be left at the end."""
    found = trapped["one_at_a_time"]
    assert found["high"] == pytest.approx(40, abs=found["step"])
    assert found["low"] == pytest.approx(found["least"], abs=found["step"])


def test_a_fused_lstm_keeps_its_state_and_the_gateway_lets_it_forget(trapped: dict) -> None:
    found = trapped["fused_state"]
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in found["operators"]
    assert found["bare"] > 0.01
    assert found["gateway"] < 1e-5


def test_a_model_that_converts_and_cannot_be_run_is_refused(trapped: dict) -> None:
    said = trapped["converts_but_cannot_run"]["convert"]
    assert said.startswith("LiteRT cannot run the int16x8 model: ")
    assert "SquaredDifference" in said


def test_raw_units_inside_the_model_ruin_int8_and_neither_float32_nor_dynamic_int8(trapped: dict) -> None:
    found = trapped["raw_units_inside"]
    assert found["int8"] > 0.2
    assert found["float32"] < 1e-5
    assert found["dynamic_int8"] < 0.05
