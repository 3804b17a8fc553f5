"""From a loaded model to TFLite, by a recipe. Only the child imports this."""

import copy
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from converter import batching, graph, input_scale, job
from converter.originals import Original, Refused, unpacked
from converter.originals.original import input_name
from converter.recipes import RECIPES
from converter.selective import Selective
from edge_agent.inference.runtime import interpreter_class

Floats32 = npt.NDArray[np.float32]
_VARIABLES = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}


def convert(original: Original, recipe: job.Recipe, calibration: Floats32, folder: Path) -> None:
    """Write `job.TFLITE` and `job.FACTS`, calibrated with packed float32[r, input_size].

    What all recipes share is kept beside `folder`, made once. Raises `Refused`, and what TensorFlow raises.
    """
    model = graph.with_tensors_in_order(_configured(original, recipe, calibration, folder.parent).convert())
    if recipe == "int8_io":
        model = graph.with_short_names(model)
    write(model, recipe, folder)


def selective(original: Original, calibration: Floats32, folder: Path) -> Selective:
    """Return the model from which the recipe mixed is made, calibrated with packed float32[r, input_size].

    Raises `Refused`, and what TensorFlow raises.
    """
    return Selective(_configured(original, "mixed", calibration, folder))


def write(model: bytes, recipe: job.Recipe, folder: Path, floats: Sequence[str] = ()) -> None:
    """Write `job.TFLITE` and `job.FACTS`. Raises `Refused` if the model is not what the recipe promises."""
    model = batching.with_any_batch(model)
    counts = weights(model, recipe)
    _run_once(model, recipe)
    (folder / job.TFLITE).write_bytes(model)
    made = job.Made(recipe=recipe, weights=counts, input_scales=input_scale.read(model), floats=list(floats))
    (folder / job.FACTS).write_bytes(msgspec.json.encode(made))


def weights(model: bytes, recipe: job.Recipe) -> dict[str, int]:
    """Count the weights by dtype. Raises `Refused` if model or weights are not what the recipe promises.

    TensorFlow leaves kernels of fewer than 1024 weights as they are in `dynamic_int8`, and a failed
    calibration makes it return a float model without a word.
    """
    made, promised = graph.read(model), RECIPES[recipe]
    if made.foreign:
        raise Refused(f"LiteRT has no operator {', '.join(made.foreign)}, which this model needs")
    if _VARIABLES & set(made.operators):
        raise Refused("the conversion left the weights behind; export it as a SavedModel and try again")
    counts: dict[str, int] = {}
    for dtype, size in made.weights:
        counts[dtype] = counts.get(dtype, 0) + size
        if dtype not in promised.weights and size > promised.largest_left:
            raise Refused(f"TensorFlow left {size} weights as {dtype}, which is not {recipe}; use float32")
    return dict(sorted(counts.items()))


def _configured(original: Original, recipe: job.Recipe, calibration: Floats32, shared: Path) -> Any:
    hashable: Any = original
    if not RECIPES[recipe].recurrent and _recurrent(hashable, shared):
        raise Refused(
            f"{recipe} is not for models with GRU or LSTM: TensorFlow crashes on them or makes a model that"
            " answers wrongly; use dynamic_int8 or float32"
        )
    converter = _fresh(_exported(hashable, shared))
    if RECIPES[recipe].calibrated:
        converter.representative_dataset = _representative(calibration, original)
    _configure(converter, recipe)
    return converter


@cache
def _exported(original: Any, folder: Path) -> Any:
    """Export the model once: it takes as long as a conversion, and names differ from one time to the next."""
    return original.converter(folder)


def _fresh(converter: Any) -> Any:
    """Return a converter of the same model that no recipe has configured."""
    fresh = copy.copy(converter)
    fresh.target_spec = tf.lite.TargetSpec()
    return fresh


@cache
def _recurrent(original: Any, folder: Path) -> bool:
    """Find loops in the float model: whatever the layers were called, that is what matters."""
    return original.state > 0 or graph.read(_fresh(_exported(original, folder)).convert()).recurrent


def _representative(windows: Floats32, original: Original) -> Any:
    if len(windows) == 0 or not np.isfinite(windows).all():
        # TensorFlow would return a float model for the one, and crash on the other.
        raise Refused("the windows to calibrate with are none, or hold NaN or infinity")
    tensors = [t[:, None] for t in unpacked(np.asarray(windows, np.float32), original.inputs)]

    def one_by_one() -> Iterator[dict[str, Floats32]]:
        for row in zip(*tensors, strict=True):
            yield {input_name(place): tensor for place, tensor in enumerate(row)}

    return one_by_one


def _configure(converter: Any, recipe: job.Recipe) -> None:
    if recipe == "float32":
        return
    sets, target = tf.lite.OpsSet, converter.target_spec
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    match recipe:
        case "float16":
            target.supported_types = [tf.float16]
        case "int8" | "mixed":
            target.supported_ops = [sets.TFLITE_BUILTINS_INT8]
        case "int8_io":
            target.supported_ops = [sets.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True  # noqa: SLF001 - no public name exists for it
        case "int16x8":
            target.supported_ops = [sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]


def _run_once(model: bytes, recipe: job.Recipe) -> None:
    """Run it on zeros: some models convert and cannot be run."""
    try:
        interpreter = interpreter_class()[0](model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        for end in interpreter.get_input_details():
            interpreter.set_tensor(end["index"], np.zeros(end["shape"], end["dtype"]))
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        raise Refused(f"LiteRT cannot run the {recipe} model: {str(error).strip()[:300]}") from None
