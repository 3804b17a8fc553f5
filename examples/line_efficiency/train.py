"""Train a regression on one table of a production line: how efficient is it, given how it runs?"""

import argparse
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

Floats32 = npt.NDArray[np.float32]

COLUMNS = ("speed", "temperature", "humidity", "downtime", "scrap", "operators", "efficiency")
SHIFTS = 1200
EPOCHS = 100


def table(shifts: int = SHIFTS, seed: int = 20) -> npt.NDArray[np.float64]:
    """Return float64[shifts, 7], the efficiency last: the good share of what the line could have made.

    Hot and humid shifts make more scrap, few operators longer stops, and speed has a best point.
    """
    rng = np.random.default_rng(seed)
    speed = rng.normal(92, 9, shifts).clip(55, 120)  # pieces/min
    temperature = rng.normal(24, 4, shifts).clip(12, 38)  # degC
    humidity = rng.normal(48, 11, shifts).clip(20, 85)  # %
    operators = rng.integers(2, 7, shifts).astype(float)
    downtime = rng.gamma(2.0, 7.0 + 6.0 * (operators < 4), shifts).clip(0, 120)  # min of 480
    muggy = np.maximum(temperature - 26, 0) * np.maximum(humidity - 50, 0)
    scrap = (1.5 + 0.02 * muggy + 0.004 * (speed - 88) ** 2 + rng.normal(0, 0.4, shifts)).clip(0.1, 25)  # %
    pace = 1 - 0.0002 * (speed - 96) ** 2
    efficiency = 100 * (1 - downtime / 480) * (1 - scrap / 100) * pace + rng.normal(0, 0.6, shifts)
    columns = [speed, temperature, humidity, downtime, scrap, operators, efficiency.clip(0, 100)]
    return np.column_stack(columns).round(3)


def build(rows: Floats32, targets: Floats32) -> keras.Model:
    """Train a 32-16-1 network on float32[n, 6] rows and float32[n] targets, both divided by their maxima."""
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    model = keras.Sequential(
        [
            keras.Input((rows.shape[1],)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    model.fit(rows, targets, epochs=EPOCHS, batch_size=32, verbose=0)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="directory for the model, data.npy and line.csv"
    )
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    data = table()
    scaled = (data / data.max(axis=0)).astype(np.float32)
    model = build(scaled[:, :-1], scaled[:, -1])
    model.save(out / "line_efficiency.keras")
    np.save(out / "data.npy", data)
    np.savetxt(out / "line.csv", data, "%.3f", delimiter=",", header=",".join(COLUMNS), comments="")
    error = model.predict(scaled[:, :-1], verbose=0)[:, 0] - scaled[:, -1]
    print(f"{out / 'line_efficiency.keras'}: mean error {np.abs(error).mean() * data[:, -1].max():.2f} %")


if __name__ == "__main__":
    main()
