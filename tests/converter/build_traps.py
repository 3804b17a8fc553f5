"""Walk into each trap of TensorFlow and LiteRT; print as JSON what happens and what the converter says."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter

from converter import graph, input_scale, tflite
from converter.originals import Refused, answers, load
from edge_agent.inference.model import Model

WINDOW, INPUTS = 8, 3
SIZE = WINDOW * INPUTS
out = Path(sys.argv[1])
rng = np.random.default_rng(3)
FLAT = rng.normal(size=(60, SIZE)).astype(np.float32)


def saved(name: str, *layers: keras.layers.Layer) -> Path:
    keras.utils.set_random_seed(3)
    path = out / f"{name}.keras"
    keras.Sequential([keras.Input((WINDOW, INPUTS)), *layers]).save(path)
    return path


def dense() -> Path:
    return saved("dense", keras.layers.Flatten(), keras.layers.Dense(40, "relu"), keras.layers.Dense(1))


def gru() -> Path:
    return saved("gru", keras.layers.GRU(8), keras.layers.Dense(1))


def spread_of_rows() -> Path:
    """TensorFlow converts its variance to int16x8; LiteRT has no such kernel and says so when it is run."""
    rows = keras.Input((WINDOW, INPUTS))
    spread = keras.ops.var(keras.layers.Dense(4)(rows), axis=1)
    path = out / "spread.keras"
    keras.Model(rows, keras.layers.Dense(1)(spread)).save(path)
    return path


def raw_units() -> Path:
    """The normalisation is inside the model, so one int8 scale holds inputs of 0..1 and of 0..100 000."""
    scaled = keras.layers.Normalization(mean=[0.5, 5e4, 0.5], variance=[0.1, 1e9, 0.1])
    return saved("raw", scaled, keras.layers.Flatten(), keras.layers.Dense(32, "tanh"), keras.layers.Dense(1))


def refusal(do: Callable[[], object]) -> str:
    try:
        do()
    except Refused as refused:
        return str(refused)
    return ""


def converted(path: Path, recipe: str, calibration: np.ndarray = FLAT) -> bytes:
    folder = Path(tempfile.mkdtemp(dir=out)) / recipe
    folder.mkdir()
    tflite.convert(load(path), recipe, calibration, folder)
    return (folder / "model.tflite").read_bytes()


def weightless(path: Path) -> bytes:
    model = keras.saving.load_model(path, compile=False)
    traced = tf.function(lambda rows: model(rows, training=False))
    one = traced.get_concrete_function(tf.TensorSpec((1, WINDOW, INPUTS), tf.float32))
    made: bytes = tf.lite.TFLiteConverter.from_concrete_functions([one], model).convert()
    return made


def from_no_windows(path: Path) -> bytes:
    converter = load(path).converter(out / "no_windows")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter(())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    made: bytes = converter.convert()
    return made


def no_windows() -> dict:
    made = from_no_windows(dense())
    return {
        "dtypes": sorted({dtype for dtype, _ in graph.read(made).weights}),
        "weights": refusal(lambda: tflite.weights(made, "int8")),
        "convert": refusal(lambda: converted(dense(), "int8", FLAT[:0])),
    }


def infinity() -> dict:
    infinite = FLAT.copy()
    infinite[3, 2] = np.inf
    return {"convert": refusal(lambda: converted(dense(), "int8", infinite))}


def dropped_weights() -> dict:
    return {
        path.stem: refusal(lambda path=path: tflite.weights(weightless(path), "float32"))
        for path in (dense(), gru())
    }


def one_at_a_time() -> dict:
    """A rare large value comes first: a moving average over the windows would have forgotten it."""
    rare = np.concatenate([np.full((1, SIZE), 40.0, np.float32), np.repeat(FLAT, 3, axis=0)])
    [scale] = input_scale.read(converted(dense(), "int8", rare))
    return {"low": scale.low, "high": scale.high, "step": scale.step, "least": float(FLAT.min())}


def fused_state() -> dict:
    """An LSTM of Keras 2, converted by the short way: one operator, which keeps its state between calls."""
    tf_keras.utils.set_random_seed(3)
    layers = tf_keras.layers
    given = layers.Input((WINDOW, INPUTS), batch_size=1)
    original = tf_keras.Sequential([given, layers.LSTM(8), layers.Dense(1)])
    model = tf.lite.TFLiteConverter.from_keras_model(original).convert()
    rows = FLAT.reshape(-1, 1, WINDOW, INPUTS)
    right = np.concatenate([original(row, training=False) for row in rows])
    gateway = Model(model)
    gateway.prepare([[1, WINDOW, INPUTS]], [[1, 1]])
    bare = Interpreter(model_content=model, num_threads=1)
    bare.allocate_tensors()
    ends = [end[0]["index"] for end in (bare.get_input_details(), bare.get_output_details())]
    kept = []
    for row in rows:
        bare.set_tensor(ends[0], row)
        bare.invoke()
        kept.append(bare.get_tensor(ends[1])[0])
    return {
        "operators": graph.read(model).operators,
        "bare": float(np.abs(kept - right).max()),
        "gateway": float(np.abs(gateway.run(FLAT) - right).max()),
    }


def converts_but_cannot_run() -> dict:
    return {"convert": refusal(lambda: converted(spread_of_rows(), "int16x8"))}


def raw_units_inside() -> dict:
    raw = rng.uniform((0, 0, 0), (1, 1e5, 1), size=(60, WINDOW, INPUTS)).astype(np.float32).reshape(60, SIZE)
    right = answers(load(raw_units()), raw).reshape(60, 1)
    errors = {}
    for recipe in ("float32", "dynamic_int8", "int8"):
        gateway = Model(converted(out / "raw.keras", recipe, raw))
        gateway.prepare([[1, WINDOW, INPUTS]], [[1, 1]])
        errors[recipe] = float(np.abs(gateway.run(raw) - right).max() / np.ptp(right))
    return errors


TRAPS = [
    no_windows, infinity, dropped_weights, one_at_a_time, fused_state, converts_but_cannot_run,
    raw_units_inside,
]  # fmt: skip
print(json.dumps({trap.__name__: trap() for trap in TRAPS}))
