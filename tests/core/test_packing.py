"""Which number of a window goes where: by index, against the definition."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.manifest import InputTensor, OutputTensor
from edge_agent.core.packing import Packing, spans


@given(data=st.data(), window=st.integers(1, 6), width=st.integers(1, 5))
def test_each_tensor_gets_the_last_rows_of_its_columns_in_c_order(
    data: st.DataObject, window: int, width: int
) -> None:
    names = [f"i{n}" for n in range(width)]
    tensors = []
    for place in range(data.draw(st.integers(1, 3))):
        columns = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        rows = data.draw(st.integers(1, window))
        shape: Any = data.draw(st.sampled_from([[1, rows, len(columns)], [1, rows * len(columns)]]))
        tensors.append(InputTensor(name=str(place), shape=shape, columns=columns))
    windows = np.arange(2 * window * width, dtype=np.float32).reshape(2, window, width)
    packed = Packing(tensors, names, window)(windows.reshape(2, -1))
    at = spans(tensors)
    for tensor in tensors:
        wanted = windows[:, window - tensor.rows :][:, :, [names.index(c) for c in tensor.columns]]
        assert np.array_equal(packed[:, at[tensor.name]], wanted.reshape(2, -1))
    assert packed.shape[1] == sum(t.elements for t in tensors)


def test_a_window_that_is_the_input_is_not_copied() -> None:
    flat = np.zeros((3, 8), np.float32)
    whole = InputTensor(name="x", shape=[1, 4, 2], columns=["a", "b"])
    assert Packing([whole], ["a", "b"], 4)(flat) is flat


def test_the_tensors_of_an_answer_stand_one_after_the_other() -> None:
    tensors = [OutputTensor(name=n, shape=s, tolerance=0) for n, s in (("a", [1, 2, 3]), ("b", [1, 1]))]
    assert spans(tensors) == {"a": slice(0, 6), "b": slice(6, 7)}
