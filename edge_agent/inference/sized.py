"""A TFLite model allocated for batches of one size. Only ever used inside the child process."""

import math
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_agent.inference.edge import Edge, EdgeError

Floats32 = npt.NDArray[np.float32]

REFUSALS = (ValueError, RuntimeError, MemoryError, TypeError, SystemError)
"""What the two runtimes raise for a file that they do not like."""


class ModelError(Exception):
    """The runtime refused the model, or the model is not what its manifest says."""


class Sized:
    """An interpreter that answers `size` rows in one call.

    `inputs` and `outputs` are the shapes that the manifest promises, in its order, with batch 1. Raises
    `ModelError` if the model has others, or cannot take a batch of that size.
    """

    def __init__(
        self, interpreter: Any, inputs: list[list[int]], outputs: list[list[int]], size: int
    ) -> None:
        self._interpreter, self._size = interpreter, size
        inputs, outputs = ([[size, *shape[1:]] for shape in end] for end in (inputs, outputs))
        try:
            if size > 1:
                for end, shape in zip(interpreter.get_input_details(), inputs, strict=True):
                    interpreter.resize_tensor_input(end["index"], shape)
            interpreter.allocate_tensors()
        except REFUSALS as error:
            raise ModelError(f"the runtime cannot prepare the model for {size} rows: {error}") from None
        found = interpreter.get_input_details(), interpreter.get_output_details()
        if (len(found[0]), len(found[1])) != (len(inputs), len(outputs)):
            raise ModelError(
                f"the model has {len(found[0])} inputs and {len(found[1])} outputs, "
                f"the manifest says {len(inputs)} and {len(outputs)}"
            )
        try:
            self._inputs = [Edge("input", *end) for end in zip(found[0], inputs, strict=True)]
            self._outputs = [Edge("output", *end) for end in zip(found[1], outputs, strict=True)]
        except EdgeError as error:
            raise ModelError(str(error)) from None
        self._asked, self._answered = _spans(inputs), _spans(outputs)
        self.quantised = any(end.quantised for end in self._inputs)

    @property
    def accelerated(self) -> bool:
        """Whether XNNPACK's kernels took a part of the graph."""
        # The only place where the runtime says so.
        operators = self._interpreter._get_ops_details()  # noqa: SLF001
        return any(operator["op_name"] == "DELEGATE" for operator in operators)

    def run(self, rows: Floats32, answers: Floats32) -> None:
        """Run packed inputs, float32[size, input_size], into packed answers. Raises `ModelError`."""
        interpreter, size = self._interpreter, self._size
        try:
            for end, span in zip(self._inputs, self._asked, strict=True):
                interpreter.set_tensor(end.index, end.inward(rows[:, span]).reshape(end.shape))
            interpreter.reset_all_variables()  # a fused LSTM keeps its state otherwise
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the runtime failed: {error}") from None
        for end, span in zip(self._outputs, self._answered, strict=True):
            answers[:, span] = end.outward(interpreter.get_tensor(end.index)).reshape(size, -1)


def _spans(shapes: list[list[int]]) -> list[slice]:
    """Return where each tensor stands in a packed vector."""
    sizes = [math.prod(shape[1:]) for shape in shapes]
    return [slice(end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]
