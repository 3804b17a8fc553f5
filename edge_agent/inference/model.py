"""One loaded TFLite model, float in and float out. Only ever used inside the child process."""

import math

import numpy as np
import numpy.typing as npt

from edge_agent.inference.edge import Edge, EdgeError
from edge_agent.inference.runtime import interpreter_class

Floats32 = npt.NDArray[np.float32]


_REFUSALS = (ValueError, RuntimeError, MemoryError, TypeError, SystemError)
"""What the two runtimes raise for a file that they do not like."""


class ModelError(Exception):
    """The runtime refused the model, or the model is not what its manifest says."""


class Model:
    """A model in two steps, so that its process can be confined in between: parsed, then prepared.

    Both raise `ModelError`. Parsing may open files (the runtime looks at the processor); after it none
    is needed any more.
    """

    def __init__(self, blob: bytes) -> None:
        interpreter, self.runtime = interpreter_class()
        try:
            # From bytes, because a mapped file that is truncated later kills the process with SIGBUS.
            self._interpreter = interpreter(model_content=blob, num_threads=1)
        except _REFUSALS as error:
            raise ModelError(f"{self.runtime} refuses the model: {error}") from None

    def prepare(self, input_shape: list[int], output_shape: list[int]) -> None:
        """Allocate the tensors and check them against the shapes that the manifest promises."""
        try:
            self._interpreter.allocate_tensors()
        except _REFUSALS as error:
            raise ModelError(f"{self.runtime} cannot prepare the model: {error}") from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(f"the model has {len(inputs)} inputs and {len(outputs)} outputs, not 1 and 1")
        try:
            self._input = Edge("input", inputs[0], input_shape)
            self._output = Edge("output", outputs[0], output_shape)
        except EdgeError as error:
            raise ModelError(str(error)) from None
        self._input_shape = tuple(input_shape)
        self.input_size, self.output_size = math.prod(input_shape), math.prod(output_shape)

    def run(self, rows: Floats32) -> Floats32:
        """Run float32[b, input_size] and return float32[b, output_size]. Raises `ModelError`.

        Each row is answered from a fresh state. One that is not finite is answered with NaN also by a
        graph whose input knows no such numbers.
        """
        answers = np.empty((len(rows), self.output_size), np.float32)
        for row, answer in zip(self._input.inward(rows), answers, strict=True):
            try:
                self._interpreter.set_tensor(self._input.index, row.reshape(self._input_shape))
                self._interpreter.reset_all_variables()  # a fused LSTM keeps its state otherwise
                self._interpreter.invoke()
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"{self.runtime} failed: {error}") from None
            answer[:] = self._output.outward(self._interpreter.get_tensor(self._output.index)).reshape(-1)
        if self._input.quantised:
            answers[~np.isfinite(rows).all(axis=1)] = np.nan
        return answers
