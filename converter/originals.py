"""Trained models as they come: loaded and asked. Only the child imports this."""

import math
import zipfile
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from converter import job

Floats32 = npt.NDArray[np.float32]
_BATCH = 256
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, zipfile.BadZipFile)
"""What Keras raises for files that it does not like."""


class Refused(Exception):
    """The model cannot be converted; the text says why and what to do."""


class Original(Protocol):
    """A loaded model. Shapes have batch 1."""

    input_shape: list[int]
    output_shape: list[int]

    def predict(self, rows: Floats32) -> Floats32:
        """Answer float32[b, *input_shape[1:]]."""
        ...

    def converter(self, folder: Path) -> Any:
        """Return a TFLite converter of this model with batch 1. `folder` is for what it needs to write."""
        ...


class KerasFile:
    """A ``.keras`` or ``.h5`` file. Nothing in it is executed but Keras's own layers."""

    def __init__(self, path: Path) -> None:
        try:
            self._model = keras.saving.load_model(path, compile=False)
        except _UNREADABLE as error:
            text = str(error).strip().partition("\n")[0]
            raise Refused(f"{path}: Keras {keras.__version__} cannot load it: {text[:300]}") from None
        tensors = [*self._model.inputs, *self._model.outputs] if self._model.built else []
        if len(tensors) != 2:
            raise Refused(
                f"{path}: one input and one output are needed; give the model a keras.Input before saving it"
            )
        self.input_shape, self.output_shape = (_batch_one(path, tuple(t.shape)) for t in tensors)

    def predict(self, rows: Floats32) -> Floats32:
        """Answer a batch in inference mode."""
        return np.asarray(self._model(rows, training=False), np.float32)

    def converter(self, folder: Path) -> Any:
        """Export with batch 1: the way that keeps the weights (other ways lose them silently)."""
        signature = [keras.InputSpec(shape=tuple(self.input_shape), dtype="float32", name="input")]
        self._model.export(folder / "exported", input_signature=signature, verbose=False)
        return tf.lite.TFLiteConverter.from_saved_model(str(folder / "exported"))


class SavedModel:
    """A SavedModel directory with a signature ``serving_default``."""

    def __init__(self, path: Path) -> None:
        try:
            self._loaded = tf.saved_model.load(str(path))
        except _UNREADABLE as error:
            raise Refused(f"{path}: TensorFlow cannot load it: {str(error)[:300]}") from None
        serve = self._loaded.signatures.get("serving_default")
        if serve is None:
            raise Refused(f"{path}: no signature serving_default; save it with model.export(...)")
        inputs, outputs = serve.structured_input_signature[1], serve.structured_outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise Refused(f"{path}: {len(inputs)} inputs and {len(outputs)} outputs; one and one are needed")
        (name, given), (answer, returned) = next(iter(inputs.items())), next(iter(outputs.items()))
        if given.dtype != tf.float32:
            raise Refused(f"{path}: its input is {given.dtype.name}, not float32")
        self._serve = tf.function(lambda rows: serve(**{name: rows})[answer])
        self.input_shape = _batch_one(path, tuple(given.shape))
        self.output_shape = _batch_one(path, tuple(returned.shape))

    def predict(self, rows: Floats32) -> Floats32:
        """Answer rows one by one: it may have been exported for batch 1 only."""
        return np.concatenate([np.asarray(self._serve(row[None]), np.float32) for row in rows])

    def converter(self, folder: Path) -> Any:  # noqa: ARG002 - the other kind of model needs it
        """Trace the signature with batch 1."""
        one = self._serve.get_concrete_function(tf.TensorSpec(self.input_shape, tf.float32))
        return tf.lite.TFLiteConverter.from_concrete_functions([one], self._loaded)


def load(path: Path, size: int) -> Original:
    """Load a model that takes `size` numbers. Raises `Refused`."""
    original: Original
    if (path / "saved_model.pb").is_file():
        original = SavedModel(path)
    elif path.suffix in {".keras", ".h5", ".hdf5"} and path.is_file():
        original = KerasFile(path)
    else:
        raise Refused(f"{path}: not a model; a .keras or .h5 file or a SavedModel directory is needed")
    if math.prod(original.input_shape) != size:
        raise Refused(
            f"{path}: takes {math.prod(original.input_shape)} numbers {tuple(original.input_shape[1:])}, "
            f"the card's window x inputs makes {size}; correct the card's `window` or `inputs`"
        )
    return original


def predict(task: job.Predict, folder: Path) -> job.Facts:
    """Write `job.ANSWERS` to `job.WINDOWS`. Raises `Refused`."""
    original = load(Path(task.model), task.size)
    np.save(folder / job.ANSWERS, answers(original, np.load(folder / job.WINDOWS, mmap_mode="r")))
    return job.Facts(input_shape=original.input_shape, output_shape=original.output_shape)


def answers(original: Original, rows: Floats32) -> Floats32:
    """Answer float32[k, size] in batches: float32[k, *output_shape[1:]]."""
    shape = (-1, *original.input_shape[1:])
    parts = [
        original.predict(np.ascontiguousarray(rows[i : i + _BATCH]).reshape(shape))
        for i in range(0, len(rows), _BATCH)
    ]
    return np.concatenate(parts).reshape(len(rows), *original.output_shape[1:])


def _batch_one(path: Path, shape: tuple[int | None, ...]) -> list[int]:
    if len(shape) < 2 or None in shape[1:]:
        raise Refused(f"{path}: a tensor of shape {shape}; every size but the batch must be fixed")
    return [1, *(int(size) for size in shape[1:] if size is not None)]
