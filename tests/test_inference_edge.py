"""The quantised end of a model: what is out of range saturates, it never wraps."""

from typing import Any

import numpy as np
import pytest

from edge_agent.inference.edge import Edge, EdgeError


def edge(dtype: Any, scales: list[float], zeros: list[int]) -> Edge:
    parameters = {"scales": np.array(scales, np.float32), "zero_points": np.array(zeros, np.int32)}
    detail = {"dtype": dtype, "shape": np.array([1, 2]), "index": 0, "quantization_parameters": parameters}
    return Edge("input", detail, [1, 2])


def test_numbers_beyond_an_int8_end_become_its_limits_and_do_not_wrap() -> None:
    assert np.array([300.0], np.float32).astype(np.int32).astype(np.int8) == 44
    given = np.array([[300, -300], [127.4, -128.4], [1e30, -1e30]], np.float32)
    assert edge(np.int8, [1.0], [0]).inward(given).tolist() == [[127, -128]] * 3


def test_each_number_is_rounded_to_the_nearest_step_and_comes_back_within_half_of_one() -> None:
    end = edge(np.int8, [0.02], [-28])
    given = np.linspace(-2.0, 3.1, 1001, dtype=np.float32)
    inside = end.inward(given)
    assert inside.dtype == np.int8
    assert (inside.min(), inside.max()) == (-128, 127)
    back = end.outward(inside)
    assert back.dtype == np.float32
    assert np.abs(back - given).max() <= 0.01 + 1e-6


def test_a_float_end_passes_everything_on() -> None:
    given = np.array([[1e30, np.nan]], np.float32)
    assert edge(np.float32, [], []).inward(given) is given
    assert edge(np.float32, [], []).outward(given) is given


@pytest.mark.parametrize(
    ("dtype", "scales", "zeros"),
    [(np.int8, [], []), (np.int8, [0.1, 0.2], [0, 0]), (np.int8, [0.0], [0]), (np.int16, [0.1], [0])],
)
def test_an_end_that_has_not_one_scale_or_another_dtype_is_refused(
    dtype: Any, scales: list[float], zeros: list[int]
) -> None:
    with pytest.raises(EdgeError, match=r"the model's input is int\d+\[1, 2\], the manifest says float32"):
        edge(dtype, scales, zeros)
