"""How good a model is, in a few numbers. A metric that does not exist for the data is NaN."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def regression(target: Floats, score: Floats) -> dict[str, float]:
    """Return MSE, MAE and R2 of float64[n] scores against their targets."""
    error = score - target
    spread = float(np.sum((target - target.mean()) ** 2))
    return {
        "mse": float(np.mean(error**2)),
        "mae": float(np.mean(np.abs(error))),
        "r2": 1.0 - float(np.sum(error**2)) / spread if spread > 0 else math.nan,
    }


def classification(target: Floats, score: Floats, threshold: float) -> dict[str, float]:
    """Return accuracy, precision, recall and F1 of ``score >= threshold`` against labels of 0 and 1."""
    truth, said = target > 0.5, score >= threshold
    hits = int(np.sum(truth & said))
    positive, alarms = int(np.sum(truth)), int(np.sum(said))
    return {
        "accuracy": float(np.mean(truth == said)),
        "precision": hits / alarms if alarms else math.nan,
        "recall": hits / positive if positive else math.nan,
        "f1": 2 * hits / (positive + alarms) if positive + alarms else math.nan,
    }
