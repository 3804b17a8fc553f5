"""One loaded TFLite model, float in and float out. Only ever used inside the child process."""

import math
from itertools import accumulate

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

    def prepare(self, inputs: list[list[int]], outputs: list[list[int]]) -> None:
        """Allocate the tensors and check them against the shapes that the manifest promises, in its order."""
        try:
            self._interpreter.allocate_tensors()
        except _REFUSALS as error:
            raise ModelError(f"{self.runtime} cannot prepare the model: {error}") from None
        found = self._interpreter.get_input_details(), self._interpreter.get_output_details()
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
        self._asked, self.input_size = _spans(inputs)
        self._answered, self.output_size = _spans(outputs)

    def run(self, rows: Floats32) -> Floats32:
        """Run packed inputs, float32[b, input_size]: packed answers, float32[b, output_size].

        Raises `ModelError`. Each row is answered from a fresh state. One that is not finite is answered with
        NaN also by a graph whose inputs know no such numbers.
        """
        answers = np.empty((len(rows), self.output_size), np.float32)
        columns = [end.inward(rows[:, span]) for end, span in zip(self._inputs, self._asked, strict=True)]
        for row, answer in enumerate(answers):
            try:
                for end, column in zip(self._inputs, columns, strict=True):
                    self._interpreter.set_tensor(end.index, column[row].reshape(end.shape))
                self._interpreter.reset_all_variables()  # a fused LSTM keeps its state otherwise
                self._interpreter.invoke()
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"{self.runtime} failed: {error}") from None
            for end, span in zip(self._outputs, self._answered, strict=True):
                answer[span] = end.outward(self._interpreter.get_tensor(end.index)).reshape(-1)
        if any(end.quantised for end in self._inputs):
            answers[~np.isfinite(rows).all(axis=1)] = np.nan
        return answers


def _spans(shapes: list[list[int]]) -> tuple[list[slice], int]:
    """Return where each tensor stands in a packed vector, and how long that is."""
    ends = list(accumulate(math.prod(shape) for shape in shapes))
    return [slice(end - math.prod(shape), end) for shape, end in zip(shapes, ends, strict=True)], ends[-1]
