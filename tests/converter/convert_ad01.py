"""Convert the machine-sound autoencoder by the recipes named, calibrated with its own windows."""

import sys
from pathlib import Path
from typing import cast

import numpy as np

from converter import recipes, tflite
from converter.originals import answers, load

out, model, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
windows = np.load(out / "windows.npy")
original = load(model)
np.save(out / "answers.npy", answers(original, windows))
for recipe in cast("list[recipes.Name]", names):
    (out / recipe).mkdir()
    tflite.convert(original, recipe, windows, out / recipe)
