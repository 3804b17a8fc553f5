"""Write models that the converter must refuse, and some that it must not, into a folder."""

import pickle
import sys
from pathlib import Path

import keras
import numpy as np

out = Path(sys.argv[1])
keras.utils.set_random_seed(3)
dense = keras.layers.Dense


def weighted(*weights: list) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), dense(len(weights[1]))])
    model.set_weights([np.array(w, np.float32) for w in weights])
    return model


two = keras.Sequential([keras.Input((2,)), dense(8, activation="tanh"), dense(1)])
two.save(out / "two.h5")
two.save(out / "two.keras")
two.export(out / "two_saved", verbose=False)
keras.Sequential([keras.Input((3,)), dense(1)]).save(out / "three.keras")
keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2), dense(1)]).save(
    out / "lambda.keras"
)
keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2), dense(1)]).save(out / "lambda.h5")
left, right = keras.Input((1,)), keras.Input((1,))
keras.Model([left, right], dense(1)(keras.layers.Concatenate()([left, right]))).save(out / "pair.keras")
keras.Sequential([keras.Input((None, 2)), keras.layers.GlobalAveragePooling1D(), dense(1)]).save(
    out / "any_length.keras"
)
weighted([[1e-4], [1]], [0]).save(out / "raw_units.keras")
weighted([[1, 0], [0, 0]], [0, 0]).save(out / "forgets_b.keras")
(out / "truncated.keras").write_bytes((out / "two.keras").read_bytes()[:3000])
(out / "truncated.h5").write_bytes((out / "two.h5").read_bytes()[:3000])
(out / "pickle.h5").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
(out / "text.txt").write_text("no model at all")
