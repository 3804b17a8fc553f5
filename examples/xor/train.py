"""Train the smallest network that is not linear: XOR with two hidden neurons."""

import argparse
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

Floats32 = npt.NDArray[np.float32]

ROWS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
LABELS = np.array([0, 1, 1, 0], np.float32)


def build(rows: Floats32, labels: Floats32) -> keras.Model:
    """Train a 2-2-1 network. With two hidden neurons some starting points never learn; this one does."""
    keras.utils.set_random_seed(7)
    tf.config.experimental.enable_op_determinism()
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(2, activation="tanh"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.2), loss="binary_crossentropy")
    model.fit(rows, labels, epochs=100, batch_size=4, verbose=0)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory for xor.keras and xor.csv")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    model = build(ROWS, LABELS)
    answers = model.predict(ROWS, verbose=0)[:, 0]
    if not np.array_equal(answers > 0.5, LABELS > 0.5):
        raise SystemExit(f"XOR was not learnt: {answers}")
    model.save(out / "xor.keras")
    table = np.column_stack([ROWS, LABELS])
    np.savetxt(out / "xor.csv", table, "%g", delimiter=",", header="a,b,odd", comments="")
    print(f"{out / 'xor.keras'}: answers {answers.round(3)} to the rows 00, 01, 10, 11")


if __name__ == "__main__":
    main()
