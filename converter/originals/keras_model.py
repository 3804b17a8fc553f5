"""A model that Keras 3 or Keras 2 loads. The two differ in how they export, which their own files say."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from converter.loading import Loading
from converter.originals import safety, stateless, trusted
from converter.originals.files import Found
from converter.originals.original import Floats32, Refused, first_line, input_name, output_name, tensors

_UNREADABLE = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError, RuntimeError,
    NotImplementedError, zipfile.BadZipFile, tf.errors.OpError,
)  # fmt: skip
"""What Keras raises for files that it does not like."""


class KerasModel:
    """A loaded Keras model."""

    _nest: Any
    """What flattens nested structures as this Keras does."""
    _structure: str
    """The attribute that holds the structure of the model's inputs."""
    _quietly: ClassVar[dict[str, bool]] = {}

    def __init__(self, library: Any, path: Path, found: Found, loading: Loading) -> None:
        self.library = library
        legacy = library.__name__ == "tf_keras"
        name = f"tf_keras {version('tf-keras')}" if legacy else f"Keras {version('keras')}"
        custom = trusted.definitions(Path(loading.trust_code), legacy) if loading.trust_code else {}
        names = {*custom, *library.saving.get_custom_objects()} if loading.trust_code else set()
        safety.check(path, found.config, safety.library_classes(library), names, name)
        try:
            self.model = _load(library, path, found, loading, custom)
        except _UNREADABLE as error:
            raise Refused(f"{path}: {name} cannot load it: {first_line(error)}; {_advice(found)}") from None
        stateful = [] if loading.streamed else stateless.begin_anew(path, self.model)
        anew = f"; stateful layers begin anew with every window: {', '.join(stateful)}" if stateful else ""
        self.loaded_with = f"{name} ({found.says}{anew})"
        self.state = 0
        ends = [getattr(self.model, "inputs", None) or [], getattr(self.model, "outputs", None) or []]
        if not all(ends):
            raise Refused(f"{path}: its inputs are not known; give the model a keras.Input before saving it")
        self.inputs, self.outputs = (
            tensors(path, [(_layer(t), _shape(t, loading.streamed)) for t in end]) for end in ends
        )

    def predict(self, rows: list[Floats32]) -> list[Floats32]:
        """Answer a batch in inference mode."""
        return [np.asarray(answer, np.float32) for answer in self._call(rows)]

    def _call(self, rows: Sequence[Any]) -> list[Any]:
        """Call the model with one tensor for each input, whatever structure it takes and returns them in."""
        structure = getattr(self.model, self._structure, None)
        asked = rows[0] if structure is None else self._nest.pack_sequence_as(structure, list(rows))
        answers: list[Any] = self._nest.flatten(self.model(asked, training=False))
        return answers

    def converter(self, folder: Path) -> Any:
        """Export with batch 1."""
        return self.exported(folder, lambda *rows: self._call(rows), [t.shape for t in self.inputs])

    def exported(self, folder: Path, call: Callable[..., list[Any]], shapes: list[list[int]]) -> Any:
        """Export `call` with its variables: other ways lose the weights, or convert no GRU or LSTM."""

        def serve(*rows: Any) -> dict[str, Any]:
            return {output_name(place): answer for place, answer in enumerate(call(*rows))}

        signature = [
            tf.TensorSpec(shape, tf.float32, name=input_name(place)) for place, shape in enumerate(shapes)
        ]
        archive = self.library.export.ExportArchive()
        archive.track(self.model)
        archive.add_endpoint("serve", serve, signature)
        archive.write_out(str(folder / "exported"), **self._quietly)
        return tf.lite.TFLiteConverter.from_saved_model(str(folder / "exported"))


def _layer(tensor: Any) -> str:
    """Return the name of the layer that a Keras tensor comes from, which is kept in the file."""
    history = tensor._keras_history  # noqa: SLF001 - Keras 2 and 3 have no public name for it
    return str((getattr(history, "operation", None) or history.layer).name)


def _shape(tensor: Any, rows: int) -> tuple[int | None, ...]:
    """Return the shape; sequences of any length, which only models that go row by row take, have `rows`."""
    shape = tuple(tensor.shape)
    return (shape[0], rows, *shape[2:]) if rows and len(shape) > 2 and shape[1] is None else shape


def _load(library: Any, path: Path, found: Found, loading: Loading, custom: dict[str, Any]) -> Any:
    if found.kind == "json":
        with library.saving.custom_object_scope(custom):
            model = library.models.model_from_json(json.dumps({**found.config, "compile_config": None}))
        model.load_weights(loading.weights)
        return model
    with tempfile.TemporaryDirectory() as name:
        # Keras judges a file by the end of its name, and old .keras files hold HDF5.
        link = Path(name) / f"model.{found.kind}"
        link.symlink_to(path.absolute())
        return library.saving.load_model(link, custom_objects=custom, compile=False)


def _advice(found: Found) -> str:
    if found.kind == "json":
        return "check that --weights were saved from a model of this architecture"
    if found.kind == "h5" and not found.legacy:
        return "load it where it was trained and save it as a .keras file"
    return "load it where it was trained and save it again"
