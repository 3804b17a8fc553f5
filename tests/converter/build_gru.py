"""Write a small trained-looking GRU, gru.keras, into a folder."""

import sys
from pathlib import Path

import keras

keras.utils.set_random_seed(3)
layers = [keras.Input((8, 2)), keras.layers.GRU(32), keras.layers.Dense(1)]
keras.Sequential(layers).save(Path(sys.argv[1]) / "gru.keras")
