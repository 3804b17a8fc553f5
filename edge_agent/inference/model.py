"""One loaded TFLite model, float in and float out. Only ever used inside the child process."""

import math

import numpy as np

from edge_agent.inference.runtime import interpreter_class
from edge_agent.inference.sized import REFUSALS, Floats32, ModelError, Sized

__all__ = ["Model", "ModelError"]

SIZES = (64, 16, 4, 1)
"""Rows of one call: 50 machines take three calls of 16 and two of 1. Each size in use has its own memory."""


class Model:
    """A model in two steps, so that its process can be confined in between: parsed, then prepared.

    Both raise `ModelError`. Parsing may open files (the runtime looks at the processor); after it none
    is needed any more.
    """

    def __init__(self, blob: bytes) -> None:
        self._interpreter, self.runtime = interpreter_class()
        self._blob = blob
        self._parsed = self._parse()

    def prepare(self, inputs: list[list[int]], outputs: list[list[int]], batch: int = 1) -> None:
        """Allocate the tensors and check them against the shapes that the manifest promises, in its order.

        `batch` is how many rows the model may answer in one call; see `edge_agent.core.manifest.Model`.
        """
        self._ends = inputs, outputs
        self._sizes = [size for size in SIZES if size <= batch]
        self._sized = {1: Sized(self._parsed, inputs, outputs, 1)}
        self.input_size, self.output_size = (sum(map(math.prod, end)) for end in self._ends)

    @property
    def accelerated(self) -> bool:
        """Whether XNNPACK's kernels took a part of the graph. Only once it is prepared."""
        return self._sized[1].accelerated

    def run(self, rows: Floats32) -> Floats32:
        """Run packed inputs, float32[b, input_size]: packed answers, float32[b, output_size].

        Raises `ModelError`. Each row is answered from a fresh state. One that is not finite is answered with
        NaN also by a graph whose inputs know no such numbers.
        """
        answers = np.empty((len(rows), self.output_size), np.float32)
        done = 0
        for size in self._sizes:
            while len(rows) - done >= size:
                self._of(size).run(rows[done : done + size], answers[done : done + size])
                done += size
        if self._sized[1].quantised:
            answers[~np.isfinite(rows).all(axis=1)] = np.nan
        return answers

    def _of(self, size: int) -> Sized:
        """Return the model for batches of `size`, allocated when first needed."""
        if size not in self._sized:
            self._sized[size] = Sized(self._parse(), *self._ends, size)
        return self._sized[size]

    def _parse(self) -> object:
        try:
            # From bytes, because a mapped file that is truncated later kills the process with SIGBUS.
            return self._interpreter(model_content=self._blob, num_threads=1)
        except REFUSALS as error:
            raise ModelError(f"{self.runtime} refuses the model: {error}") from None
