"""Write wild.keras, whose normalisation no int8 scale can hold, and measure its layers here, too.

Prints as JSON what is measured if only two layers may be, and what is said of a budget that cannot be met.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

from converter import sensitivity, tflite
from converter.originals import Floats32, Refused, answers, load
from converter.sensitivity import Trial
from edge_agent.inference.model import Model

out = Path(sys.argv[1])
layers = keras.layers
keras.utils.set_random_seed(5)
keras.Sequential(
    [
        keras.Input((3,)),
        layers.Normalization(mean=[5e4, 0.5, 0.5], variance=[8e8, 0.08, 0.08]),
        *(layers.Dense(64, "relu") for _ in range(3)),
        layers.Dense(1),
    ]
).save(out / "wild.keras")
rows = np.random.default_rng(5).uniform((0, 0, 0), (1e5, 1, 1), size=(1500, 3)).astype(np.float32)
np.savetxt(out / "wild.csv", rows, delimiter=",", header="a,b,c", comments="")

original = load(out / "wild.keras")
right = answers(original, rows[:200])


def answer(model: bytes, windows: Floats32) -> Floats32:
    runnable = Model(model)
    runnable.prepare([[1, 3]], [[1, 1]])
    return runnable.run(windows)


def error(given: Floats32, wanted: Floats32) -> float:
    return float(np.abs(given - wanted).max() / np.ptp(right))


trial = Trial(rows[:200], right, answer, error, lambda given: "decides otherwise")
model = tflite.selective(original, rows[200:400], out)
sensitivity.LAYERS = 2
few = sensitivity.measure(model, trial)
try:
    sensitivity.rescue(model, trial, few)
    said = ""
except Refused as refused:
    said = str(refused)
whole = model.model(model.layers)
told = {
    "measured": [layer.operator for layer in few.layers],
    "left_out": few.left_out,
    "said": said,
    "float_error": error(answer(whole, rows[:200]), right),
    "float_bytes": len(whole),
}
print(json.dumps(told))
