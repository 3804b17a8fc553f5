"""How good a model is, in a few numbers. A metric that does not exist for the data is NaN."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Curves(NamedTuple):
    """What every possible limit would give, float64[m + 1] each, the highest limit first.

    The first entry is the limit above all scores, where there is no alarm: its precision is taken as 1.
    """

    limit: Floats
    false_alarms: Floats
    recall: Floats
    precision: Floats


def regression(target: Floats, score: Floats) -> dict[str, float]:
    """Return MSE, RMSE, MAE and R2 of float64[n] scores against their targets."""
    error = score - target
    squares = float(np.mean(error**2))
    spread = float(np.sum((target - target.mean()) ** 2))
    return {
        "mse": squares,
        "rmse": math.sqrt(squares),
        "mae": float(np.mean(np.abs(error))),
        "r2": 1.0 - float(np.sum(error**2)) / spread if spread > 0 else math.nan,
    }


def classification(target: Floats, score: Floats, threshold: float) -> dict[str, float]:
    """Judge ``score >= threshold`` against labels of 0 and 1; the two areas need no threshold.

    `roc_auc` is the chance that a positive scores higher than a negative, ties counted half. `pr_auc` is the
    average precision: the precision at each score, weighted by the recall it adds, without interpolation.
    """
    truth, said = target > 0.5, score >= threshold
    hits, positive, alarms = int(np.sum(truth & said)), int(np.sum(truth)), int(np.sum(said))
    found = {
        "accuracy": float(np.mean(truth == said)),
        "precision": hits / alarms if alarms else math.nan,
        "recall": hits / positive if positive else math.nan,
        "f1": 2 * hits / (positive + alarms) if positive + alarms else math.nan,
        "roc_auc": math.nan,
        "pr_auc": math.nan,
        "tn": int(np.sum(~truth & ~said)),
        "fp": alarms - hits,
        "fn": positive - hits,
        "tp": hits,
    }
    if 0 < positive < len(truth) and not np.isnan(score).any():
        c = curves(target, score)
        found["roc_auc"] = float(np.sum(np.diff(c.false_alarms) * (c.recall[1:] + c.recall[:-1])) / 2)
        found["pr_auc"] = float(np.sum(np.diff(c.recall) * c.precision[1:]))
    return found


def classes(target: Floats, said: Floats, count: int) -> dict[str, float]:
    """Judge the index of a class, 0 to `count` - 1, against the right one.

    Precision, recall and F1 are means over the classes that are there, each counted once however rare it is.
    """
    matrix = np.zeros((count, count))
    known = ~np.isnan(said)
    np.add.at(matrix, (target[known].astype(int), said[known].astype(int)), 1)
    with np.errstate(invalid="ignore"):
        precision = np.diag(matrix) / matrix.sum(axis=0)
        recall = np.diag(matrix) / matrix.sum(axis=1)
        f1 = 2 * np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))
    return {
        "accuracy": float(np.mean(target == said)),
        "precision": _mean(precision),
        "recall": _mean(recall),
        "f1": _mean(f1),
    }


def _mean(of_classes: Floats) -> float:
    known = of_classes[~np.isnan(of_classes)]
    return float(known.mean()) if len(known) else math.nan


def curves(target: Floats, score: Floats) -> Curves:
    """Return what each distinct score would give as the limit. Needs both labels and no NaN."""
    truth = target > 0.5
    limit, place = np.unique(-score, return_inverse=True)
    hits = np.cumsum(np.bincount(place, weights=truth))
    alarms = np.cumsum(np.bincount(place)).astype(np.float64)
    return Curves(
        limit=np.concatenate([[np.inf], -limit]),
        false_alarms=np.concatenate([[0.0], (alarms - hits) / np.sum(~truth)]),
        recall=np.concatenate([[0.0], hits / np.sum(truth)]),
        precision=np.concatenate([[1.0], hits / alarms]),
    )
