"""Trained models as they come: loaded and asked. Only the child imports this."""

import math
from pathlib import Path

import numpy as np

from converter import job
from converter.loading import Loading
from converter.originals import files
from converter.originals.original import Floats32, Original, Refused

__all__ = ["Floats32", "Original", "Refused", "answers", "load", "predict"]

_BATCH = 256
_AS_IT_IS = Loading()


def load(path: Path, size: int, loading: Loading = _AS_IT_IS) -> Original:
    """Load a model that takes `size` numbers, with the Keras that its file asks for. Raises `Refused`."""
    original = _open(path, loading)
    if math.prod(original.input_shape) != size:
        raise Refused(
            f"{path}: takes {math.prod(original.input_shape)} numbers {tuple(original.input_shape[1:])}, "
            f"the card's window x inputs makes {size}; correct the card's `window` or `inputs`"
        )
    return original


def _open(path: Path, loading: Loading) -> Original:
    found = files.look(path)
    if found.kind == "json" and not loading.weights:
        raise Refused(f"{path}: an architecture without weights; give them with --weights FILE")
    if found.kind != "json" and loading.weights:
        raise Refused(f"{path}: holds weights of its own; leave --weights out")
    if loading.weights and not Path(loading.weights).is_file():
        raise Refused(f"{loading.weights}: no such file; --weights takes what model.save_weights() wrote")
    # Each library takes a second and a hundred megabytes to import.
    if found.kind == "saved_model":
        from converter.originals.saved_model import SavedModel  # noqa: PLC0415

        return SavedModel(path)
    if found.legacy:
        from converter.originals.keras2 import Keras2  # noqa: PLC0415

        return Keras2(path, found, loading)
    from converter.originals.keras3 import Keras3  # noqa: PLC0415

    return Keras3(path, found, loading)


def predict(task: job.Predict, folder: Path) -> job.Facts:
    """Write `job.ANSWERS` to `job.WINDOWS`. Raises `Refused`."""
    original = load(Path(task.model), task.size, task.loading)
    np.save(folder / job.ANSWERS, answers(original, np.load(folder / job.WINDOWS, mmap_mode="r")))
    return job.Facts(
        input_shape=original.input_shape,
        output_shape=original.output_shape,
        loaded_with=original.loaded_with,
    )


def answers(original: Original, rows: Floats32) -> Floats32:
    """Answer float32[k, size] in batches: float32[k, *output_shape[1:]]."""
    shape = (-1, *original.input_shape[1:])
    parts = [
        original.predict(np.ascontiguousarray(rows[i : i + _BATCH]).reshape(shape))
        for i in range(0, len(rows), _BATCH)
    ]
    return np.concatenate(parts).reshape(len(rows), *original.output_shape[1:])
