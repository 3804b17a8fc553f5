"""A model that Keras 3 or Keras 2 loads. The two differ in how they export, which their own files say."""

import json
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from converter.loading import Loading
from converter.originals import safety, trusted
from converter.originals.files import Found
from converter.originals.original import Floats32, Refused, batch_one, first_line

_UNREADABLE = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError, RuntimeError,
    NotImplementedError, zipfile.BadZipFile, tf.errors.OpError,
)  # fmt: skip
"""What Keras raises for files that it does not like."""


class KerasModel:
    """A loaded Keras model with one input and one output."""

    def __init__(self, library: Any, path: Path, found: Found, loading: Loading) -> None:
        legacy = library.__name__ == "tf_keras"
        name = f"tf_keras {version('tf-keras')}" if legacy else f"Keras {version('keras')}"
        self.loaded_with = f"{name} ({found.says})"
        custom = trusted.definitions(Path(loading.trust_code), legacy) if loading.trust_code else {}
        names = {*custom, *library.saving.get_custom_objects()} if loading.trust_code else set()
        safety.check(path, found.config, safety.library_classes(library), names, name)
        try:
            self.model = _load(library, path, found, loading, custom)
        except _UNREADABLE as error:
            raise Refused(f"{path}: {name} cannot load it: {first_line(error)}; {_advice(found)}") from None
        tensors = [
            *(getattr(self.model, "inputs", None) or []),
            *(getattr(self.model, "outputs", None) or []),
        ]
        if len(tensors) != 2:
            raise Refused(
                f"{path}: one input and one output are needed; give the model a keras.Input before saving it"
            )
        self.input_shape, self.output_shape = (batch_one(path, tuple(t.shape)) for t in tensors)

    def predict(self, rows: Floats32) -> Floats32:
        """Answer a batch in inference mode."""
        return np.asarray(self.model(rows, training=False), np.float32)


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
    return "load it where it was trained and save it again"
