"""What every loaded model can do, and how one is refused."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Tensor

Floats32 = npt.NDArray[np.float32]


class Refused(Exception):
    """The model cannot be converted; the text says why and what to do."""


class Original(Protocol):
    """A loaded model. `loaded_with` names the library, and what the file says.

    `inputs` and `outputs` are its tensors by their own names, in its own order. Shapes have batch 1.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    loaded_with: str
    state: int
    """Numbers that it keeps from row to row, see `originals.streaming`; 0 for one of whole windows."""

    def predict(self, rows: list[Floats32]) -> list[Floats32]:
        """Answer float32[b, *shape[1:]] for each input with as many rows for each output."""
        ...

    def converter(self, folder: Path) -> Any:
        """Return a TFLite converter of this model with batch 1. `folder` is for what it needs to write.

        In its signature inputs are named `input_name(0)`, ..., outputs `output_name(0)`, ..., in the order
        of `inputs` and `outputs`: TFLite puts them in an order of its own.
        """
        ...


def input_name(place: int) -> str:
    """Return the name that an exported model gives to an input."""
    return f"input_{place}"


def output_name(place: int) -> str:
    """Return the name that an exported model gives to an output."""
    return f"output_{place}"


def tensors(path: Path, named: Iterable[tuple[str, tuple[int | None, ...]]]) -> list[Tensor]:
    """Describe tensors; a name that is there already gets a number. Raises `Refused` if a size is open."""
    found: dict[str, Tensor] = {}
    for name, shape in named:
        number = 2
        unique = name
        while unique in found:
            unique, number = f"{name}_{number}", number + 1
        found[unique] = Tensor(name=unique, shape=batch_one(path, shape))
    return list(found.values())


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
