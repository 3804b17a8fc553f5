"""The windows of the known answers, which every gateway replays before it uses the bundle."""

import numpy as np

from converter.dataset import Dataset, Floats32, raw_windows, spread
from converter.table import Floats, Integers
from edge_agent.core.manifest import Manifest

OVER_TIME, OVER_ANSWERS = 16, 8


def windows(manifest: Manifest, data: Dataset, compared: Integers, original: Floats32) -> Floats32:
    """Return float32[k, window, inputs] in engineering units: real windows, and three made-up ones.

    The real ones are spread over time and over the model's answers (`original` to the windows that end
    at `compared`), so that a bundle for a rare fault knows the fault too, and the way there. The made-up
    ones hold every input at its minimum, its maximum and its mean.
    """
    answers = original.reshape(len(original), -1)[:, 0]
    levels = np.linspace(answers.min(), answers.max(), OVER_ANSWERS)
    by_answer = [compared[np.abs(answers - level).argmin()] for level in levels]
    chosen = np.union1d(spread(data.ends(manifest.window), OVER_TIME), by_answer)
    real = raw_windows(data.rows, chosen, manifest.window)
    corners: Floats = np.array([[getattr(i, k) for i in manifest.inputs] for k in ("min", "max", "mean")])
    made_up = np.repeat(corners[:, None], manifest.window, axis=1)
    chosen_and_made_up: Floats32 = np.concatenate([real, made_up]).astype(np.float32)
    return chosen_and_made_up
