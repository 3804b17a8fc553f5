"""Training once for each fold with the user's own function. Only the child imports this."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from converter import job
from converter.originals import Floats32, Refused, unpacked
from edge_agent.core.manifest import Tensor


def folds(task: job.Folds, folder: Path) -> job.Facts:
    """Write `job.ANSWERS`: to every window, the answer of the model that was trained without it."""
    build = _function(Path(task.script), task.function)
    packed = np.load(folder / job.WINDOWS)
    inputs = unpacked(packed, [Tensor(name=str(place), shape=s) for place, s in enumerate(task.shapes)])
    targets = np.load(folder / job.TARGETS).astype(np.float32)
    answers: Any = None
    for train, test in zip(task.train, task.test, strict=True):
        known = [row for row in train if not np.isnan(targets[row]).any()]  # a forecast has no end
        model = build(_of(inputs, known), targets[known, 0] if targets.shape[1] == 1 else targets[known])
        tensors = tf.nest.flatten(model(_of(inputs, test), training=False))
        parts = [np.asarray(tensor, np.float32).reshape(len(test), -1) for tensor in tensors]
        answer = np.concatenate(parts, axis=1)
        if answers is None:
            answers = np.full((len(packed), answer.shape[1]), np.nan, np.float32)
        answers[test] = answer
    np.save(folder / job.ANSWERS, answers)
    return job.Facts()


def _of(inputs: list[Floats32], rows: list[int]) -> Any:
    """Return some rows as a model takes them: a list only if it has several inputs."""
    taken = [tensor[rows] for tensor in inputs]
    return taken[0] if len(taken) == 1 else taken


def _function(script: Path, name: str) -> Any:
    spec = spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None or not script.is_file():
        raise Refused(f"{script}: not a Python script")
    module = module_from_spec(spec)
    sys.path.insert(0, str(script.parent))
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise Refused(f"{script}: no function {name!r}")
    return function
