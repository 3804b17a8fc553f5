"""Training once for each fold with the user's own function. Only the child imports this."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

from converter import job
from converter.originals import Refused


def folds(task: job.Folds, folder: Path) -> job.Facts:
    """Write `job.ANSWERS`: to every window, the answer of the model that was trained without it."""
    build = _function(Path(task.script), task.function)
    windows = np.load(folder / job.WINDOWS).reshape(-1, *task.shape)
    targets = np.load(folder / job.TARGETS).astype(np.float32)
    answers: Any = None
    for train, test in zip(task.train, task.test, strict=True):
        model = build(windows[train], targets[train])
        answer = np.asarray(model(windows[test], training=False), np.float32)
        if answers is None:
            answers = np.full((len(windows), *answer.shape[1:]), np.nan, np.float32)
        answers[test] = answer
    np.save(folder / job.ANSWERS, answers)
    return job.Facts()


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
