"""Train an autoencoder on a pump's healthy rows: what it cannot rebuild is unusual."""

import argparse
import csv
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

SENSORS = (
    "Accelerometer1RMS",
    "Accelerometer2RMS",
    "Current",
    "Pressure",
    "Temperature",
    "Thermocouple",
    "Voltage",
    "Volume Flow RateRMS",
)
HEALTHY = 400
"""The first rows of a recording are healthy, as SKAB's own protocol has it."""

Floats32 = npt.NDArray[np.float32]


def healthy(path: Path) -> Floats32:
    """Return the healthy rows, standardised by themselves: float32[400, 8]."""
    with path.open(newline="") as file:
        table = list(csv.DictReader(file, delimiter=";"))[:HEALTHY]
    rows = np.array([[float(row[name]) for name in SENSORS] for row in table])
    scaled: Floats32 = ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype(np.float32)
    return scaled


def build(rows: Floats32) -> keras.Model:
    """Train an 8-32-32-3-32-32-8 autoencoder on float32[n, 8] standardised rows."""
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    widths = (32, 32, 3, 32, 32)
    hidden = [keras.layers.Dense(width, activation="tanh") for width in widths]
    layers = [keras.Input((len(SENSORS),)), *hidden, keras.layers.Dense(len(SENSORS))]
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="mse")
    model.fit(rows, rows, epochs=150, batch_size=32, verbose=0)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="one recording, such as valve1/0.csv")
    parser.add_argument("--out", type=Path, required=True, help="directory for skab.keras")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = healthy(options.data)
    model = build(rows)
    model.save(options.out / "skab.keras")
    errors = np.mean((model.predict(rows, verbose=0) - rows) ** 2, axis=1)
    print(
        f"{options.out / 'skab.keras'}: error of healthy rows {errors.mean():.3f} on average, "
        f"99 % are below {np.quantile(errors, 0.99):.3f}"
    )


if __name__ == "__main__":
    main()
