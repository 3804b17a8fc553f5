"""The ends of a model: float32 outside, whatever the graph takes inside."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]
Numbers = npt.NDArray[Any]


class EdgeError(ValueError):
    """An end of the model is not what its manifest says, or of a dtype that cannot be served."""


class Edge:
    """One tensor at the edge of a graph: float32, or int8 with one scale and one zero point.

    An int8 number q stands for ``(q - zero_point) * scale``.
    """

    def __init__(self, kind: str, detail: dict[str, Any], shape: list[int]) -> None:
        self.shape = tuple(shape)
        dtype, found = np.dtype(detail["dtype"]), detail["shape"].tolist()
        parameters = detail["quantization_parameters"]
        scales, zeros = parameters["scales"], parameters["zero_points"]
        self.quantised = dtype == np.int8 and len(scales) == len(zeros) == 1 and scales[0] > 0
        if found != shape or not (self.quantised or dtype == np.float32):
            raise EdgeError(f"the model's {kind} is {dtype}{found}, the manifest says float32{shape}")
        self.index: int = detail["index"]
        self._limits = np.iinfo(np.int8)
        self._scale = np.float32(scales[0]) if self.quantised else np.float32(1)
        self._zero = np.float32(zeros[0]) if self.quantised else np.float32(0)

    def inward(self, rows: Floats32) -> Numbers:
        """Return numbers as the graph takes them; those out of its range become its limits, NaN becomes 0."""
        if not self.quantised:
            return rows
        steps = np.nan_to_num(np.rint(np.divide(rows, self._scale, dtype=np.float64) + self._zero))
        # Clipped before the cast, which would wrap: 300 becomes 44.
        clipped: Numbers = np.clip(steps, self._limits.min, self._limits.max).astype(np.int8)
        return clipped

    def outward(self, numbers: Numbers) -> Floats32:
        """Return what the graph answered, as float32."""
        if not self.quantised:
            return numbers
        return (numbers.astype(np.float32) - self._zero) * self._scale
