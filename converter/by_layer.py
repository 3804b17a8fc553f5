"""The job of `job.ByLayer`, which only the child does."""

from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from converter import auto, candidates, compare, decisions, job, originals, sensitivity, tflite
from converter.auto import Budget
from converter.dataset import Windows
from converter.originals import Floats32, Original
from converter.sensitivity import Trial
from edge_agent.inference.model import Model


def do(task: job.ByLayer, folder: Path) -> job.Facts:
    """Write `job.SENSITIVITY`, and the folder of the recipe mixed. Raises `Refused` if there is no model."""
    original = originals.load(Path(task.model), task.loading)
    own = folder / "mixed"
    own.mkdir()
    candidates.attempt(own, partial(_do, task, original, folder, own))
    return job.Facts(loaded_with=original.loaded_with)


def _do(task: job.ByLayer, original: Original, folder: Path, own: Path) -> None:
    with np.load(folder / job.SEEN) as arrays:
        seen = Windows(arrays["ends"], arrays["latest"], arrays["packed"])
        answers, calibration = arrays["answers"], arrays["calibration"]
    model = tflite.selective(original, calibration, folder)
    trial = _trial(task, seen, answers)
    found = sensitivity.measure(model, trial)
    (folder / job.SENSITIVITY).write_bytes(msgspec.json.encode(found))
    if task.rescue:
        made, floats = sensitivity.rescue(model, trial, found)
        tflite.write(made, "mixed", own, [layer.tensor for layer in floats])


def _trial(task: job.ByLayer, seen: Windows, original: Floats32) -> Trial:
    draft, budget = task.manifest, Budget(task.max_error, task.max_flips)
    before = decisions.courses(draft, seen, original)
    outputs = compare.compare("mixed", draft, original, original).outputs
    parts = [(compare.numbers(o, draft.model), e.range) for o, e in zip(draft.outputs, outputs, strict=True)]

    def answer(model: bytes, windows: Floats32) -> Floats32:
        runnable = Model(model)
        runnable.prepare([t.shape for t in draft.model.inputs], [t.shape for t in draft.model.outputs])
        return runnable.run(windows)

    def error(answers: Floats32, right: Floats32) -> float:
        found = [np.abs(answers[:, part] - right[:, part]).max() / reach for part, reach in parts]
        return float(np.max(found)) if np.isfinite(found).all() else np.inf

    def excess(answers: Floats32) -> str:
        after = decisions.courses(draft, seen, answers)
        compared = compare.compare("mixed", draft, original, answers)
        return auto.excess("mixed", compared, decisions.compare(draft, seen, before, after), budget)

    return Trial(seen.packed, original, answer, error, excess)
