"""One loaded model, converted by several recipes: loading is paid once. Only the child imports this."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import convert_phase

from converter import job, originals, tensors, tflite
from converter.errors import ConverterError
from converter.originals import Floats32
from edge_agent.core.manifest import InputTensor
from edge_agent.core.packing import Packing

_COMPLAINTS = (convert_phase.ConverterError, ValueError, RuntimeError, TypeError, tf.errors.OpError)
"""What TensorFlow raises for a model that it cannot convert by some recipe."""


def convert(task: job.Convert, folder: Path) -> job.Facts:
    """Do as `job.Convert` says. Facts are written before the first recipe, in case one ends this process.

    Raises `Refused` if no recipe could work.
    """
    original = originals.load(Path(task.model), task.loading)
    try:
        inputs = tensors.fill(task.model, original.inputs, task.columns, task.window)
    except ConverterError as error:
        raise originals.Refused(str(error)) from None
    facts = job.Facts(
        inputs=inputs,
        outputs=original.outputs,
        tools={name: version(name) for name in ("tensorflow", "keras", "numpy")},
        loaded_with=original.loaded_with,
        state=original.state,
    )
    if not (folder / job.ANSWERS).exists():
        windows = np.load(folder / job.WINDOWS, mmap_mode="r")
        np.save(folder / job.ANSWERS, originals.answers(original, _packed(task, inputs, windows)))
    (folder / job.FACTS).write_bytes(msgspec.json.encode(facts))
    calibration = _packed(task, inputs, np.load(folder / job.CALIBRATION))
    for recipe in task.recipes:
        own = folder / recipe
        own.mkdir()
        attempt(own, partial(tflite.convert, original, recipe, calibration, own))
    return facts


def attempt(folder: Path, make: Callable[[], None]) -> None:
    """Make a model, or write to `folder` why there is none."""
    try:
        make()
    except originals.Refused as refused:
        (folder / job.REFUSAL).write_text(str(refused), encoding="utf-8")
    except _COMPLAINTS as error:
        told = f"TensorFlow cannot convert it: {_first_line(error)}; build the model without that"
        (folder / job.REFUSAL).write_text(told, encoding="utf-8")


def _packed(task: job.Convert, inputs: list[InputTensor], flat: Floats32) -> Floats32:
    return Packing(inputs, [c.name for c in task.columns], task.window)(flat)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[
        :300
    ]
