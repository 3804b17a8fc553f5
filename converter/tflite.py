"""From a loaded model to TFLite, by a recipe. Only the child imports this."""

import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from converter import job
from converter.originals import Refused, answers, load
from edge_agent.inference.runtime import interpreter_class

Floats32 = npt.NDArray[np.float32]


def convert(task: job.Convert, folder: Path) -> job.Facts:
    """Write `job.TFLITE` and `job.ANSWERS`. Raises `Refused`."""
    original = load(Path(task.model), task.size)
    np.save(folder / job.ANSWERS, answers(original, np.load(folder / job.WINDOWS, mmap_mode="r")))
    converter = original.converter(folder)
    if task.recipe != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if task.recipe == "int8":
        rows = np.load(folder / job.CALIBRATION).reshape(-1, *original.input_shape)

        def calibration() -> Iterator[list[Floats32]]:
            for row in rows:
                yield [row]

        converter.representative_dataset = calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    model = converter.convert()
    (folder / job.TFLITE).write_bytes(model)
    return job.Facts(
        input_shape=original.input_shape,
        output_shape=original.output_shape,
        weights=weights(model, task.recipe),
        tools={name: version(name) for name in ("tensorflow", "keras", "numpy")},
    )


def weights(model: bytes, recipe: job.Recipe) -> dict[str, int]:
    """Count the weights by dtype. Raises `Refused` if they are not what the recipe promises.

    TensorFlow leaves kernels of fewer than 1024 weights as they are in `dynamic_int8`, and a failed
    calibration makes it return a float model without a word.
    """
    largest_left = {"float32": math.inf, "dynamic_int8": 1023, "int8": 0}[recipe]
    counts: dict[str, int] = {}
    for kernel in _kernels(model):
        dtype = kernel.dtype.name
        counts[dtype] = counts.get(dtype, 0) + kernel.size
        if dtype != "int8" and kernel.size > largest_left:
            raise Refused(
                f"TensorFlow left {kernel.size} weights as {dtype}, which is not {recipe}; use float32"
            )
    return dict(sorted(counts.items()))


def _kernels(model: bytes) -> list[npt.NDArray[Any]]:
    """Return every constant of two dimensions or more: the weights without the biases."""
    interpreter = interpreter_class()[0](model_content=model, num_threads=1)
    found = []
    for detail in interpreter.get_tensor_details():
        if len(detail["shape"]) < 2:
            continue
        try:
            # Before allocate_tensors only constants have data.
            found.append(interpreter.get_tensor(detail["index"]))
        except ValueError:
            continue
    return found
