"""Write models that go row by row, and some that cannot, with what they answer themselves to 1000 rows.

The rows are those of the simulated pump's history, scaled.
"""

import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from edge_agent.plant.faults import FaultKind
from edge_agent.plant.history import COLUMNS, rows
from edge_agent.plant.registers import SIGNALS

out = Path(sys.argv[1])
places = [COLUMNS.index(name) for name in SIGNALS]
history = [[float(row[place]) for place in places] for row in rows(1000, 5, 1.0, [FaultKind.BEARING_WEAR])]
raw = np.array(history[:1000], np.float32)
ROWS = ((raw - raw.mean(axis=0)) / np.maximum(raw.std(axis=0), 1e-6)).astype(np.float32)
WIDTH = ROWS.shape[1]
np.savetxt(out / "rows.csv", raw, "%.7g", ",", header=",".join(SIGNALS), comments="")
expected = {}


def row_by_row(k):
    """A model that is fed one row in a call and remembers those before."""
    layers = k.layers
    return k.Sequential(
        [
            layers.Input((1, WIDTH), batch_size=1),
            layers.LSTM(16, return_sequences=True, stateful=True),
            layers.Dropout(0.2),
            layers.GRU(8, stateful=True),
            layers.Dense(2),
        ]
    )


def sequences(k):
    """A model that answers after every row of a sequence of any length."""
    layers = k.layers
    given = layers.Input((None, WIDTH))
    heard = layers.GRU(12, return_sequences=True)(layers.Dense(8, activation="tanh")(given))
    normal = layers.LayerNormalization()(heard)
    return k.Model(
        given, layers.TimeDistributed(layers.Dense(1))(layers.SimpleRNN(6, return_sequences=True)(normal))
    )


for label, k in {"keras3": keras, "keras2": tf_keras}.items():
    k.utils.set_random_seed(3)
    remembering = row_by_row(k)
    call = tf.function(partial(remembering, training=False))
    expected[f"{label}_row_by_row.keras"] = np.concatenate(
        [np.asarray(call(tf.constant(row[None, None]))) for row in ROWS]
    )
    remembering.save(out / f"{label}_row_by_row.keras")
    whole = sequences(k)
    random = np.random.default_rng(3)
    whole.set_weights([w + random.normal(0, 0.1, w.shape) for w in whole.get_weights()])
    answer = tf.function(partial(whole, training=False))
    expected[f"{label}_sequences.keras"] = np.asarray(answer(tf.constant(ROWS[None])))[0]
    whole.save(out / f"{label}_sequences.keras")

layers = keras.layers
given = layers.Input((None, WIDTH))
around = layers.Add()([given, layers.GRU(WIDTH, return_sequences=True)(given)])
CANNOT = {
    "around": keras.Model(given, around),
    "both_ways": keras.Sequential(
        [layers.Input((50, WIDTH)), layers.Bidirectional(layers.GRU(2, return_sequences=True))]
    ),
    "once": keras.Sequential([layers.Input((50, WIDTH)), layers.GRU(2), layers.Dense(1)]),
    "across": keras.Sequential(
        [layers.Input((50, WIDTH)), layers.Conv1D(4, 3, padding="same"), layers.GRU(2, return_sequences=True)]
    ),
    "stateless": keras.Sequential([layers.Input((50, WIDTH)), layers.Dense(1)]),
}
for name, model in CANNOT.items():
    model.save(out / f"{name}.keras")
np.savez(out / "expected.npz", rows=ROWS, **expected)
