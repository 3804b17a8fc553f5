"""Which numbers of a window go to which tensor of the model, and where its answers stand; planned once.

A packed vector is the tensors of one end of the model, one after the other, each in C order.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Self

import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import InputTensor, Manifest, Tensor
from edge_agent.core.preparation import Preparation

Floats32 = npt.NDArray[np.float32]


class Packing:
    """Packs flat windows: `window` rows of `columns`, row after row."""

    def __init__(self, tensors: Sequence[InputTensor], columns: Sequence[str], window: int) -> None:
        width, at = len(columns), {name: place for place, name in enumerate(columns)}
        parts = []
        for tensor in tensors:
            rows = np.arange(window - tensor.rows, window)
            parts.append((rows[:, None] * width + [at[name] for name in tensor.columns]).reshape(-1))
        places = np.concatenate(parts).astype(np.intp)
        # The window of a model with one input tensor is the packed input as it is.
        self._places = None if np.array_equal(places, np.arange(window * width)) else places

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return the packing that a bundle promises. Its columns are the features."""
        return cls(manifest.model.inputs, Preparation(manifest).features, manifest.window)

    def __call__(self, flat: Floats32) -> Floats32:
        """Turn float32[..., window * columns] into float32[..., input_size]."""
        return flat if self._places is None else flat.take(self._places, axis=-1)


def spans(tensors: Sequence[Tensor]) -> dict[str, slice]:
    """Return where in the packed vector each tensor stands."""
    ends = accumulate(t.elements for t in tensors)
    return {t.name: slice(end - t.elements, end) for t, end in zip(tensors, ends, strict=True)}
