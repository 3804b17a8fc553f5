"""One loaded model, converted by several recipes: loading is paid once. Only the child imports this."""

from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from converter import input_scale, job, originals, tflite

_COMPLAINTS = (ConverterError, ValueError, RuntimeError, TypeError, tf.errors.OpError)
"""What TensorFlow raises for a model that it cannot convert by some recipe."""


def convert(task: job.Convert, folder: Path) -> job.Facts:
    """Do as `job.Convert` says. Facts are written before the first recipe, in case one ends this process.

    Raises `Refused` if no recipe could work.
    """
    original = originals.load(Path(task.model), task.size, task.loading)
    facts = job.Facts(
        input_shape=original.input_shape,
        output_shape=original.output_shape,
        tools={name: version(name) for name in ("tensorflow", "keras", "numpy")},
        loaded_with=original.loaded_with,
    )
    if not (folder / job.ANSWERS).exists():
        windows = np.load(folder / job.WINDOWS, mmap_mode="r")
        np.save(folder / job.ANSWERS, originals.answers(original, windows))
    (folder / job.FACTS).write_bytes(msgspec.json.encode(facts))
    calibration = np.load(folder / job.CALIBRATION, mmap_mode="r")
    for recipe in task.recipes:
        own = folder / recipe
        own.mkdir()
        try:
            made = tflite.convert(original, recipe, calibration, own)
            scale = input_scale.read((own / job.TFLITE).read_bytes())
        except originals.Refused as refused:
            (own / job.REFUSAL).write_text(str(refused), encoding="utf-8")
        except _COMPLAINTS as error:
            (own / job.REFUSAL).write_text(f"TensorFlow cannot convert it: {_first_line(error)}", "utf-8")
        else:
            made = msgspec.structs.replace(made, input_scale=scale)
            (own / job.FACTS).write_bytes(msgspec.json.encode(made))
    return facts


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[
        :300
    ]
