"""What int8 costs layer by layer, and the recipe mixed: asked of TensorFlow only where it is wanted."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from converter import auto, job, judging, making
from converter.auto import Budget, Candidate
from converter.dataset import Floats32, Windows
from converter.errors import ConverterError
from converter.making import Converted
from converter.process import TensorFlow, workspace


@dataclass(frozen=True, slots=True)
class Tried:
    """What was converted, what was measured of it, and what int8 costs layer by layer if that was."""

    converted: list[Converted]
    judged: list[Candidate]
    sensitivity: job.Sensitivity | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The windows that were held back, what the original answered, windows to calibrate with; both packed."""

    seen: Windows
    original: Floats32
    calibration: Floats32


def extend(
    tried: Tried,
    task: job.ByLayer,
    evidence: Evidence,
    tensorflow: TensorFlow,
    *,
    measure: bool,
    deadline: float,
    progress: Callable[[str], None],
) -> Tried:
    """Try the recipe mixed, too, if `task` says so and int8 is beyond the budget.

    Layers are measured for it, or if `measure`. Whatever goes wrong there is why there is no such model: the
    others are not the worse for it.
    """
    needless = _needless(tried.judged, Budget(task.max_error, task.max_flips)) if task.rescue else ""
    judged = [Candidate(recipe="mixed", reason=needless)] if needless else []
    task = msgspec.structs.replace(task, rescue=task.rescue and not needless)
    if not (task.rescue or measure):
        return Tried(tried.converted, tried.judged + judged)
    progress("measuring what int8 costs layer by layer")
    sensitivity, mixed = _ask(task, evidence, tensorflow, deadline)
    if not task.rescue:
        return Tried(tried.converted, tried.judged + judged, sensitivity)
    if mixed.made is None:
        judged = [Candidate(recipe="mixed", reason=mixed.refusal)]
        return Tried(tried.converted, tried.judged + judged, sensitivity)
    converted = [*tried.converted, mixed]
    # All again, because times are compared only if they were taken in turns.
    judged = judging.judge(task.manifest, evidence.seen, evidence.original, converted)
    return Tried(converted, judged, sensitivity)


def _needless(judged: list[Candidate], budget: Budget) -> str:
    """Return why there is nothing to rescue, if so."""
    [int8] = (c for c in judged if c.recipe == "int8")
    if int8.measured is None:
        return "there is no int8 model to start from"
    if not auto.over("int8", int8.measured, budget):
        return "int8 is within the budget without a layer in float"
    return ""


def _ask(
    task: job.ByLayer, evidence: Evidence, tensorflow: TensorFlow, deadline: float
) -> tuple[job.Sensitivity | None, Converted]:
    ending = ""
    with workspace() as folder:
        np.savez(
            folder / job.SEEN,
            ends=evidence.seen.ends,
            latest=evidence.seen.latest,
            packed=evidence.seen.packed,
            answers=evidence.original,
            calibration=evidence.calibration,
        )
        try:
            tensorflow.do(task, folder, deadline)
        except ConverterError as error:
            ending = making.in_short(error)
        file = folder / job.SENSITIVITY
        found = msgspec.json.decode(file.read_bytes(), type=job.Sensitivity) if file.exists() else None
        return found, making.candidate("mixed", folder / "mixed", {"mixed": ending})
