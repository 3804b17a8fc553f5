"""Write small models, each with other weights, and their history as CSV files beside them, into a folder.

python build_many_models.py FOLDER COUNT
"""

import sys
from pathlib import Path

import keras
import numpy as np

folder, count = Path(sys.argv[1]), int(sys.argv[2])
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)])
for number in range(count):
    random = np.random.default_rng(number)
    model.set_weights([random.normal(size=w.shape).astype(np.float32) for w in model.get_weights()])
    model.save(folder / f"pump{number:03}.keras")
    rows = random.normal(size=(300, 2))
    np.savetxt(folder / f"pump{number:03}.csv", rows, "%.6f", ",", header="a,b", comments="")
