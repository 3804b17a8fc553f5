"""Models of Keras 3."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from converter.loading import Loading
from converter.originals.files import Found
from converter.originals.keras_model import KerasModel


class Keras3(KerasModel):
    """A model that Keras 3 loads."""

    def __init__(self, path: Path, found: Found, loading: Loading) -> None:
        super().__init__(keras, path, found, loading)

    def converter(self, folder: Path) -> Any:
        """Export with batch 1: the way that keeps the weights (other ways lose them silently)."""
        signature = [keras.InputSpec(shape=tuple(self.input_shape), dtype="float32", name="input")]
        self.model.export(folder / "exported", input_signature=signature, verbose=False)
        return tf.lite.TFLiteConverter.from_saved_model(str(folder / "exported"))
