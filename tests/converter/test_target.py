"""A target profile: carried as a line, scaled by the recipe, and never taken when damaged."""

import hashlib

import msgspec
import pytest
from test_auto import measured

from converter import target
from converter.auto import Candidate
from converter.errors import ConverterError
from converter.target import Target
from edge_agent.doctor.profile import Profile, parse
from edge_agent.inference.timing import Latency


def time(model: float, way: float = 100.0) -> Latency:
    return Latency(p50=model + way, p99=2 * (model + way), model=model)


def candidate(recipe: str) -> Candidate:
    return Candidate(recipe=recipe, reason="", measured=measured())


PROFILE = Profile(
    processor="Atom",
    runtime="tflite-runtime 2.14",
    reference={"float32": time(80, 300), "int8": time(160, 300)},
    refused={"dynamic_int8": "FULLY_CONNECTED version 12"},
    model=hashlib.sha256(b"measured there").hexdigest(),
    latency=time(7, 200),
)
THERE = Target(PROFILE, {"float32": time(20), "int8": time(16), "dynamic_int8": time(18)})


def test_a_profile_is_one_line_that_comes_back_whole() -> None:
    line = PROFILE.line()
    assert line.startswith("edge1:")
    assert line.split() == [line]
    assert parse(f" {line}\n") == PROFILE


@pytest.mark.parametrize(
    "line", ["", "edge2:abc", "edge1:", "edge1:%%%", PROFILE.line()[:-20], "edge1:" + "A" * 99]
)
def test_a_damaged_profile_says_what_to_do(line: str) -> None:
    with pytest.raises(ConverterError, match=r"copy the whole line|doctor --bench prints one"):
        target.load(line)


def test_a_time_is_scaled_by_its_recipe_and_the_way_by_its_own_ratio() -> None:
    there = THERE.estimate(time(10, 50), ("float32",))
    assert there.model == pytest.approx(10 * 80 / 20)
    assert there.p50 == pytest.approx(40 + 50 * 300 / 100)
    assert there.p99 == pytest.approx(2 * there.p50)
    assert THERE.estimate(time(10), ("int8",)).model == pytest.approx(100)
    assert THERE.estimate(time(10), ("int8", "float32")).model == pytest.approx(100)


def test_what_the_target_refuses_is_no_candidate() -> None:
    (lost,) = THERE.judge([candidate("dynamic_int8")], {"dynamic_int8": b"model"})
    assert lost.reason == "the target cannot run it: FULLY_CONNECTED version 12"


def test_the_model_that_was_measured_there_keeps_its_times() -> None:
    (own,) = THERE.judge([candidate("int8")], {"int8": b"measured there"})
    assert own.measured
    assert own.measured.latency == PROFILE.latency


def test_a_candidate_without_a_reference_says_so() -> None:
    with pytest.raises(ConverterError, match="no times for int16x8"):
        THERE.judge([candidate("int16x8")], {})


def test_this_box_estimates_itself() -> None:
    """Here and there are the same machine: an estimate is what was measured, but for its noise."""
    there = target.load(msgspec.structs.replace(PROFILE, reference=THERE.here).line())
    assert set(there.here) == {"float32", "float16", "dynamic_int8", "int8", "int8_io", "int16x8"}
    assert all(0 < t.model < t.p99 for t in there.here.values())
