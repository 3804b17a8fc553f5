"""One recipe for every recording: learns what ten seconds of healthy running look like, and converts it."""

import argparse
import csv
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from converter import TensorFlow, convert

CARD = Path(__file__).with_name("leaderboard_card.toml")
COLUMNS = (
    "Accelerometer1RMS",
    "Accelerometer2RMS",
    "Current",
    "Pressure",
    "Voltage",
    "Volume Flow RateRMS",
)
"""All sensors but the two temperatures: they drift for hours, and 400 s of them say nothing about that."""
HEALTHY, WINDOW = 400, 10
"""The first rows of a recording are healthy, as the protocol of the leaderboard has it."""

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


def healthy_rows(path: Path) -> Floats:
    """Return the sensors of a recording's healthy rows: float64[400, 6]."""
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file, delimiter=";"))[:HEALTHY]
    return np.array([[float(row[name]) for name in COLUMNS] for row in table])


def build(healthy: Floats) -> keras.Model:
    """Train on healthy rows, float64[n, 6]. The model gives a score to ten standardised rows, float32[10, 6].

    The mean of ten rows is rebuilt by an autoencoder 6-16-3-16-6. The score is the squared error of that, as
    a multiple of the largest one of the healthy rows.
    """
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    scaled = (healthy - healthy.mean(axis=0)) / healthy.std(axis=0)
    view = np.lib.stride_tricks.sliding_window_view(scaled, WINDOW, axis=0)
    windows = np.moveaxis(view, -1, 1).astype(np.float32)
    means = windows.mean(axis=1)
    layers, small = keras.layers, keras.regularizers.L2(0.001)
    asked = keras.Input((WINDOW, len(COLUMNS)))
    mean = layers.GlobalAveragePooling1D()(asked)
    mean = layers.Normalization(mean=means.mean(axis=0), variance=means.var(axis=0))(mean)
    hidden = layers.Dense(16, activation="tanh", kernel_regularizer=small)(mean)
    hidden = layers.Dense(3)(hidden)
    hidden = layers.Dense(16, activation="tanh", kernel_regularizer=small)(hidden)
    error = layers.Subtract()([mean, layers.Dense(len(COLUMNS))(hidden)])
    score = layers.Dense(1, use_bias=False, trainable=False, kernel_initializer="ones")
    model = keras.Model(asked, score(layers.Multiply()([error, error])))
    # The sum of squared errors is what is to become small.
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss=lambda _, said: said)
    model.fit(windows, np.zeros(len(windows)), epochs=40, batch_size=64, verbose=0)
    largest = float(model.predict(windows, verbose=0).max())
    score.set_weights([np.full((len(COLUMNS), 1), 1 / largest, np.float32)])
    return keras.Model(model.input, model.output)  # without what only training needs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings, such as valve1")
    parser.add_argument("--out", type=Path, required=True, help="directory for a bundle of each recording")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with TensorFlow() as tensorflow:
        for path in sorted(options.data.glob("*.csv")):
            model, made = options.out / f"{path.stem}.keras", options.out / f"{path.stem}.bundle"
            build(healthy_rows(path)).save(model)
            convert(model, path, CARD, made, "float32", tensorflow=tensorflow)
            print(made)


if __name__ == "__main__":
    main()
