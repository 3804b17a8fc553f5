"""Models of Keras 3."""

from pathlib import Path
from typing import ClassVar

import keras

from converter.loading import Loading
from converter.originals.files import Found
from converter.originals.keras_model import KerasModel


class Keras3(KerasModel):
    """A model that Keras 3 loads."""

    _nest, _structure = keras.tree, "_inputs_struct"
    _quietly: ClassVar[dict[str, bool]] = {"verbose": False}

    def __init__(self, path: Path, found: Found, loading: Loading) -> None:
        super().__init__(keras, path, found, loading)
