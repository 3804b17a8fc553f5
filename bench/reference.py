"""Makes edge_agent/doctor/reference.zip: one small model by every plain recipe, to compare processors with.

    python bench/reference.py

Convolutions and dense layers, 55,000 weights that repeat, so that the file stays small. Needs TensorFlow.
"""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from converter import job, originals, tflite
from converter.recipes import PLAIN
from edge_agent.doctor.reference import FILE

ROWS, COLUMNS = 32, 8
_FIXED = (2026, 1, 1, 0, 0, 0)


def model() -> tf.keras.Model:
    """The model; its weights are the same 61 numbers over and over."""
    layers = tf.keras.layers
    made = tf.keras.Sequential(
        [
            layers.Input((ROWS, COLUMNS)),
            layers.Conv1D(32, 5, activation="relu"),
            layers.Conv1D(32, 5, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    numbers = np.random.default_rng(1).normal(0, 0.1, 61)
    made.set_weights([np.resize(numbers, w.shape).astype(np.float32) for w in made.get_weights()])
    return made


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(FILE, "w", zipfile.ZIP_DEFLATED) as file:
        folder = Path(temporary)
        model().save(folder / "reference.keras")
        original = originals.load(folder / "reference.keras")
        calibration = np.random.default_rng(2).normal(0, 1, (100, ROWS * COLUMNS)).astype(np.float32)
        for recipe in PLAIN:
            own = folder / recipe
            own.mkdir()
            tflite.convert(original, recipe, calibration, own)
            file.writestr(
                zipfile.ZipInfo(f"{recipe}.tflite", _FIXED),
                (own / job.TFLITE).read_bytes(),
                zipfile.ZIP_DEFLATED,
            )
    print(f"{FILE}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
