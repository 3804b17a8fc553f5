"""Train a small convolutional network on turbofan engines that ran to failure: how many cycles are left."""

import argparse
import csv
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

SENSORS = (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)
"""Numbers of the sensors that vary in FD001, as the data set's own readme counts them."""
NAMES = tuple(f"sensor_{number}" for number in SENSORS)
WINDOW = 30
"""Cycles. The shortest test engine has 31."""
CAP = 125.0
"""Cycles left beyond which an engine counts as new: its sensors do not show its age yet."""

EPOCHS, BATCH = 20, 256

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


def engines(path: Path) -> dict[int, Floats]:
    """Return the sensors of each engine, float64[cycles, 14], by its number."""
    table = np.loadtxt(path)
    columns = [4 + number for number in SENSORS]
    return {int(unit): table[table[:, 0] == unit][:, columns] for unit in np.unique(table[:, 0])}


def windows(rows: Floats, left: Floats) -> tuple[Floats, Floats]:
    """Return every window of one engine, float64[k, 30, 14], and what is left at its end, float64[k]."""
    view = np.lib.stride_tricks.sliding_window_view(rows, WINDOW, axis=0)
    return np.moveaxis(view, -1, 1), left[WINDOW - 1 :]


def counted_down(rows: Floats, at_the_end: float) -> Floats:
    """Return the cycles left in each row, capped: float64[n]."""
    left: Floats = np.minimum(at_the_end + np.arange(len(rows))[::-1], CAP)
    return left


def build(rows: Floats32, left: Floats32) -> keras.Model:
    """Train on float32[k, 30, 14] standardised windows and float32[k] shares of the cap.

    Three means of ten cycles say where the engine stands and where it is heading. A network that sees every
    cycle by itself learns the noise of eighty engines by heart.
    """
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    layers, small = keras.layers, keras.regularizers.L2(0.001)
    model = keras.Sequential(
        [
            keras.Input((WINDOW, len(SENSORS))),
            layers.AveragePooling1D(10),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_regularizer=small),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu", kernel_regularizer=small),
            layers.Dense(1),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.002, EPOCHS * -(-len(rows) // BATCH))
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
    model.fit(rows, left, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    return model


def write(path: Path, runs: dict[int, Floats], left: dict[int, Floats]) -> None:
    """Write engines one after the other as the converter reads them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["engine", *NAMES, "rul"])
        for unit, rows in runs.items():
            for row, rul in zip(rows.tolist(), left[unit].tolist(), strict=True):
                writer.writerow([unit, *row, rul])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with PM_train, PM_test, PM_truth")
    parser.add_argument("--out", type=Path, required=True, help="directory for the model and two tables")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    train, test = engines(options.data / "PM_train.txt"), engines(options.data / "PM_test.txt")
    truth = np.loadtxt(options.data / "PM_truth.txt")
    left = {unit: counted_down(rows, 0.0) for unit, rows in train.items()}
    wanted = {unit: counted_down(rows, truth[unit - 1]) for unit, rows in test.items()}
    write(options.out / "train.csv", train, left)
    last = slice(-WINDOW, None)
    write(
        options.out / "test.csv",
        {unit: rows[last] for unit, rows in test.items()},
        {unit: told[last] for unit, told in wanted.items()},
    )
    everything = np.concatenate(list(train.values()))
    mean, std = everything.mean(axis=0), everything.std(axis=0)
    parts = [windows(rows, left[unit]) for unit, rows in train.items()]
    rows = ((np.concatenate([p[0] for p in parts]) - mean) / std).astype(np.float32)
    model = build(rows, (np.concatenate([p[1] for p in parts]) / CAP).astype(np.float32))
    model.save(options.out / "cmapss.keras")
    asked = ((np.stack([run[last] for run in test.values()]) - mean) / std).astype(np.float32)
    said = CAP * model.predict(asked, verbose=0)[:, 0]
    error = said - np.array([told[-1] for told in wanted.values()])
    print(f"{options.out / 'cmapss.keras'}: RMSE {np.sqrt(np.mean(error**2)):.2f} cycles on 100 test engines")


if __name__ == "__main__":
    main()
