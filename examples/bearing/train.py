"""Train a small classifier of bearing wear on the simulated plant's history."""

import argparse
import csv
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

SIGNALS = ("speed", "load", "vibration", "bearing_temp", "motor_temp", "current", "flow", "pressure")
WINDOW = 10
EVERY = 5
"""Neighbouring windows share nine of ten rows, so every fifth is enough to train on."""

Floats32 = npt.NDArray[np.float32]


def windows(path: Path) -> tuple[Floats32, Floats32]:
    """Return standardised windows float32[n, 80] and labels float32[n]. No window spans two runs."""
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    rows = np.array([[float(row[name]) for name in SIGNALS] for row in table])
    labels = np.array([float(row["label"]) for row in table])
    run = np.array([row["run"] for row in table])
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    ends = np.arange(WINDOW - 1, len(rows), EVERY)
    ends = ends[run[ends] == run[ends - WINDOW + 1]]
    taken = scaled[ends[:, None] + np.arange(1 - WINDOW, 1)]
    return taken.reshape(len(ends), -1).astype(np.float32), labels[ends].astype(np.float32)


def build(rows: Floats32, labels: Floats32) -> keras.Model:
    """Train an 80-32-16-1 network on float32[n, 80] windows and float32[n] labels."""
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    model = keras.Sequential(
        [
            keras.Input((rows.shape[1],)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy")
    model.fit(rows, labels, epochs=12, batch_size=128, verbose=0)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="history with a column `run`")
    parser.add_argument("--out", type=Path, required=True, help="directory for bearing.h5")
    options = parser.parse_args()
    rows, labels = windows(options.data)
    model = build(rows, labels)
    # HDF5, because a .keras archive holds the time it was saved and so is never the same twice.
    model.save(options.out / "bearing.h5")
    wrong = np.mean((model.predict(rows, batch_size=1024, verbose=0)[:, 0] >= 0.5) != (labels > 0.5))
    print(f"trained on {len(rows)} windows, {wrong:.2%} of them wrong")


if __name__ == "__main__":
    main()
