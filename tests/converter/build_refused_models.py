"""Write files that must not be loaded, some of which would run code if they were, into a folder."""

import json
import pickle
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf
import tf_keras

out = Path(sys.argv[1])
canary = out / "code_was_run"
DAMAGED = 3000


def write_canary(x):
    canary.touch()
    return x


reaches_out = eval(f"lambda x: (open({str(canary)!r}, 'w').close(), x)[1]")


class Squared(keras.layers.Layer):
    def call(self, x):
        return x * x


class Squared2(tf_keras.layers.Layer):
    def call(self, x):
        return x * x


def save(k, name, *layers, **given):
    k.Sequential([k.layers.Input((2,), **given), *layers, k.layers.Dense(1)]).save(out / name)


for label, k, custom in (("keras3", keras, Squared), ("keras2", tf_keras, Squared2)):
    for end in ("keras", "h5"):
        save(k, f"{label}_lambda.{end}", k.layers.Lambda(reaches_out, name="doubled"))
        save(k, f"{label}_custom.{end}", custom(name="mine"))
    stateful = [k.layers.Reshape((1, 2)), k.layers.LSTM(2, stateful=True, name="memory")]
    save(k, f"{label}_stateful.keras", *stateful, batch_size=1)
canary.unlink(missing_ok=True)

rows = tf_keras.Input((2,))
calling = tf_keras.Model(rows, tf_keras.layers.Dense(1)(rows) + 1.0)


def called(name, function, kind="TFOpLambda"):
    """Write a model that says it calls another function of TensorFlow."""
    calling.save(out / name)
    with h5py.File(out / name, "r+") as file:
        said = file.attrs["model_config"].replace("__operators__.add", function)
        file.attrs["model_config"] = said.replace("TFOpLambda", kind)


called("calls_add.h5", "__operators__.add")
called("calls_write.h5", "io.write_file")
called("slices_write.h5", "io.write_file", "SlicingOpLambda")
called("calls_a_method.h5", "add", "ClassMethod")

given = keras.Input((2,))
keras.Model(given, 0.5 * keras.layers.Dense(1)(given)).save(out / "keras3_calling.h5")


def rewritten(source, name, change):
    """Write a copy of a .keras file whose architecture is changed as an attacker would."""
    with zipfile.ZipFile(out / source) as read, zipfile.ZipFile(out / name, "w") as write:
        for item in read.namelist():
            content = read.read(item)
            if item == "config.json":
                config = json.loads(content)
                change(config["config"]["layers"][1])
                content = json.dumps(config).encode()
            write.writestr(item, content)


def foreign(layer):
    layer.update(module="subprocess", class_name="Popen", registered_name=None)


def hidden(layer):
    layer["config"]["activation"] = {"module": "os", "class_name": "function", "config": "system"}


rewritten("keras2_custom.keras", "keras2_foreign.keras", foreign)
rewritten("keras3_custom.keras", "keras3_foreign.keras", foreign)


class Bomb:
    def __reduce__(self):
        return write_canary, (1,)


whole = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(200), keras.layers.Dense(1)])
whole.save(out / "whole.keras")
whole.save(out / "whole.h5")
whole.save_weights(out / "only.weights.h5")
rewritten("whole.keras", "keras3_function.keras", hidden)
(out / "alone.json").write_text(whole.to_json())
(out / "other.json").write_text('{"a": 1}')
for protocol in (2, 5):
    (out / f"pickle{protocol}.h5").write_bytes(pickle.dumps(Bomb(), protocol))
canary.unlink(missing_ok=True)
for end in ("keras", "h5"):
    (out / f"truncated.{end}").write_bytes((out / f"whole.{end}").read_bytes()[:DAMAGED])
(out / "empty.h5").write_bytes(b"")
(out / "text.h5").write_text("no model at all")
(out / "converted.keras").write_bytes(tf.lite.TFLiteConverter.from_keras_model(whole).convert())
with zipfile.ZipFile(out / "torch.keras", "w") as archive:
    archive.writestr("archive/data.pkl", b"\x80\x02.")
with h5py.File(out / "broken.h5", "w") as file:
    file.attrs["model_config"], file.attrs["keras_version"] = "{not json", "2.4.0"
(out / "a_directory").mkdir()
np.save(out / "table.npy", np.zeros(3))


def graph(name, compute):
    module = tf.Module()
    module.kernel = tf.Variable(np.ones((2, 1), np.float32))
    module.serve = tf.function(
        lambda x: {"y": compute(x) @ module.kernel}, input_signature=[tf.TensorSpec((None, 2), tf.float32)]
    )
    tf.saved_model.save(module, str(out / name), signatures=module.serve)


graph("calls_python", lambda x: tf.ensure_shape(tf.py_function(write_canary, [x], tf.float32), (None, 2)))
graph("reads_a_file", lambda x: x + tf.cast(tf.strings.length(tf.io.read_file("secret")), tf.float32))
graph("damaged", lambda x: x)
(out / "damaged/saved_model.pb").write_bytes((out / "damaged/saved_model.pb").read_bytes()[:-DAMAGED])
graph("without_weights", lambda x: x)
for file in (out / "without_weights/variables").iterdir():
    file.unlink()
canary.unlink(missing_ok=True)
