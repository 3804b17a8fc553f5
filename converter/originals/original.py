"""What every loaded model can do, and how one is refused."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]


class Refused(Exception):
    """The model cannot be converted; the text says why and what to do."""


class Original(Protocol):
    """A loaded model. Shapes have batch 1. `loaded_with` names the library, and what the file says."""

    input_shape: list[int]
    output_shape: list[int]
    loaded_with: str

    def predict(self, rows: Floats32) -> Floats32:
        """Answer float32[b, *input_shape[1:]]."""
        ...

    def converter(self, folder: Path) -> Any:
        """Return a TFLite converter of this model with batch 1. `folder` is for what it needs to write."""
        ...


def batch_one(path: Path, shape: tuple[int | None, ...]) -> list[int]:
    """Return `shape` with batch 1. Raises `Refused` if another size is not fixed."""
    if len(shape) < 2 or None in shape[1:]:
        raise Refused(
            f"{path}: a tensor of shape {shape}; every size but the batch must be fixed, "
            "so save the model with a keras.Input of the window's shape"
        )
    return [1, *(int(size) for size in shape[1:] if size is not None)]


def first_line(error: BaseException) -> str:
    """Return what an exception says, without the pages that Keras adds."""
    return str(error).strip().partition("\n")[0][:300]
