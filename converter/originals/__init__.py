"""Trained models as they come: loaded and asked. Only the child imports this."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from converter import job
from converter.loading import Loading
from converter.originals import files
from converter.originals.original import Floats32, Original, Refused
from edge_agent.core.manifest import Tensor
from edge_agent.core.packing import spans

__all__ = ["Floats32", "Original", "Refused", "answers", "load", "predict", "unpacked"]

_BATCH = 256
_AS_IT_IS = Loading()


def load(path: Path, loading: Loading = _AS_IT_IS) -> Original:
    """Load a model with the Keras that its file asks for. Raises `Refused`."""
    original = _open(path, loading)
    if not loading.streamed:
        return original
    from converter.originals.keras_model import KerasModel  # noqa: PLC0415 - imports TensorFlow
    from converter.originals.streaming import Streaming  # noqa: PLC0415

    if not isinstance(original, KerasModel):
        raise Refused(f"{path}: only Keras files go row by row; leave `streaming` out of the card")
    return Streaming(path, original, loading.streamed)


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
    """Write `job.ANSWERS` to the packed `job.WINDOWS`. Raises `Refused`."""
    original = load(Path(task.model), task.loading)
    for found, wanted in ((original.inputs, task.inputs), (original.outputs, task.outputs)):
        if not _agree(found, wanted):
            raise Refused(
                f"{task.model}: its tensors are {_list(found)}, those of the bundle {_list(wanted)}; "
                "give the model that the bundle was made of"
            )
    np.save(folder / job.ANSWERS, answers(original, np.load(folder / job.WINDOWS, mmap_mode="r")))
    return job.Facts(inputs=task.inputs, outputs=task.outputs, loaded_with=original.loaded_with)


def _agree(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> bool:
    """Compare shapes, and names where there are several: the same weights may be saved under another name."""
    named = len(found) > 1
    return [(t.name if named else "", t.shape) for t in found] == [
        (t.name if named else "", t.shape) for t in wanted
    ]


def _list(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{t.name} {tuple(t.shape[1:])}" for t in tensors)


def answers(original: Original, packed: Floats32) -> Floats32:
    """Answer packed inputs, float32[k, input_size], in batches: packed answers, float32[k, output_size]."""
    parts = []
    for i in range(0, len(packed), _BATCH):
        batch = unpacked(packed[i : i + _BATCH], original.inputs)
        parts.append(np.concatenate([a.reshape(len(a), -1) for a in original.predict(batch)], axis=1))
    return np.concatenate(parts)


def unpacked(packed: Floats32, tensors: Sequence[Tensor]) -> list[Floats32]:
    """Return float32[k, *shape[1:]] of each tensor."""
    at = spans(tensors)
    return [np.ascontiguousarray(packed[:, at[t.name]]).reshape(-1, *t.shape[1:]) for t in tensors]
