"""Models of Keras 2, which only tf_keras computes as they were trained.

Keras 3 refuses most of them, and others it loads with another ``hard_sigmoid``.
"""

from pathlib import Path

import tensorflow as tf
import tf_keras  # type: ignore[import-untyped]

from converter.loading import Loading
from converter.originals.files import Found
from converter.originals.keras_model import KerasModel


class Keras2(KerasModel):
    """A model that tf_keras loads."""

    _nest, _structure = tf.nest, "_nested_inputs"

    def __init__(self, path: Path, found: Found, loading: Loading) -> None:
        super().__init__(tf_keras, path, found, loading)
        for layer in self.model.submodules:
            if isinstance(layer, tf_keras.layers.LSTM):
                # Else TensorFlow fuses it to an operation that keeps its state from one call to the next.
                layer._could_use_gpu_kernel = False  # noqa: SLF001 - Keras 2 is frozen and has no public switch
