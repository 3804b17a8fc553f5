"""Train small models of several inputs and outputs into the folder in argv, with data and right answers.

`pair`: two inputs of one shape and two outputs of one shape, whose names sort otherwise than they stand in
the model; a swap of either shows. By both Kerases, and as a SavedModel. `states`: a window of two signals
and the last row of two others; a class and a forecast.
"""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tf_keras

ROWS, WINDOW, HORIZON = 600, 4, 2
folder = Path(sys.argv[1])
keras.utils.set_random_seed(3)
tf_keras.utils.set_random_seed(3)

rng = np.random.default_rng(5)
table = rng.normal(size=(ROWS, 4)).cumsum(axis=0) * 0.3 % 2 - 1  # columns a, b, c, d
ends = np.arange(WINDOW - 1, ROWS)
windows = table[ends[:, None] + np.arange(1 - WINDOW, 1)].astype(np.float32)
ab, cd = np.ascontiguousarray(windows[:, :, :2]), np.ascontiguousarray(windows[:, :, 2:])


def pair(k: Any) -> Any:
    zulu, alpha = k.Input((WINDOW, 2), name="zulu"), k.Input((WINDOW, 2), name="alpha")
    first, second = k.layers.Flatten()(zulu), k.layers.Flatten()(alpha)
    both = k.layers.Dense(8, activation="tanh")(k.layers.Concatenate()([first, second]))
    risk = k.layers.Dense(1, activation="sigmoid", name="risk")(both)
    heat = k.layers.Dense(1, name="heat")(second)
    model = k.Model([zulu, alpha], [risk, heat])
    model.compile("adam", ["binary_crossentropy", "mse"])
    targets = [(ab[:, -1, 0] > 0).astype(np.float32)[:, None], cd[:, -1, 1:] * 10]
    model.fit([ab, cd], targets, epochs=3, verbose=0)
    return model


def states() -> keras.Model:
    signals, now = keras.Input((WINDOW, 2), name="signals"), keras.Input((2,), name="now")
    first = keras.layers.Concatenate()([keras.layers.Flatten()(signals), now])
    hidden = keras.layers.Dense(12, activation="tanh")(first)
    state = keras.layers.Dense(3, activation="softmax", name="state")(hidden)
    ahead = keras.layers.Dense(1, name="ahead")(hidden)
    model = keras.Model({"signals": signals, "now": now}, {"state": state, "ahead": ahead})
    model.compile("adam", {"state": "sparse_categorical_crossentropy", "ahead": "mse"})
    n = len(ends) - HORIZON
    told = {"signals": ab[:n], "now": cd[:n, -1]}
    model.fit(told, {"state": zone[:n], "ahead": table[ends[:n] + HORIZON, :1]}, epochs=20, verbose=0)
    return model


zone = np.digitize(table[ends, 0], [-0.3, 0.3])
model = pair(keras)
model.save(folder / "pair.keras")
model.export(folder / "pair_saved", verbose=False)
two = pair(tf_keras)
two.save(folder / "pair2.h5")
three = states()
three.save(folder / "states.keras")
said = three.predict({"signals": ab, "now": cd[:, -1]}, verbose=0)
answers = {
    "pair": np.concatenate(model.predict([ab, cd], verbose=0), axis=1),
    "pair2": np.concatenate(two.predict([ab, cd], verbose=0), axis=1),
    "state": said["state"],
    "ahead": said["ahead"],
}
np.savez(folder / "answers.npz", table=table, ends=ends, **answers)
label = np.zeros(ROWS)
label[ends] = ab[:, -1, 0] > 0
zones = np.zeros(ROWS)
zones[ends] = zone
columns = np.column_stack([table, label, 10 * table[:, 3], zones])
np.savetxt(
    folder / "data.csv", columns, "%.17g", delimiter=",", header="a,b,c,d,risk,heat,state", comments=""
)
