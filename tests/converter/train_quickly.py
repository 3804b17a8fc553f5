"""Trains a fold by least squares, in no time."""

import keras
import numpy as np


def build(rows: np.ndarray, targets: np.ndarray) -> keras.Model:
    model = keras.Sequential([keras.Input((rows.shape[1],)), keras.layers.Dense(1)])
    solved, *_ = np.linalg.lstsq(np.column_stack([rows, np.ones(len(rows))]), targets, rcond=None)
    model.set_weights([solved[:-1, None], solved[-1:]])
    return model
