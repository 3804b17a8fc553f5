"""Write models of two Keras libraries and plain TensorFlow in every form, each with what it answers."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf_keras

out = Path(sys.argv[1])
rng = np.random.default_rng(5)
ROWS = rng.normal(size=(24, 12, 3)).astype(np.float32)
LIBRARIES = {"keras3": keras, "keras2": tf_keras}
expected = {}


def small(k, **lstm):
    return [k.layers.LSTM(6, **lstm), k.layers.Dense(2)]


def stacked(k):
    layers = k.layers
    return [
        layers.LSTM(6, return_sequences=True),
        layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
        layers.GRU(4),
        layers.Dense(2),
    ]


def lstm_autoencoder(k):
    layers = k.layers
    return [
        layers.LSTM(4),
        layers.RepeatVector(12),
        layers.LSTM(4, return_sequences=True),
        layers.TimeDistributed(layers.Dense(3)),
    ]


def convolutional(k):
    layers = k.layers
    return [
        layers.SeparableConv1D(6, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.3),
        layers.DepthwiseConv1D(3, padding="same"),
        layers.Conv1D(8, 3, dilation_rate=2, padding="causal", activation="relu"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3, activation="softmax"),
    ]


def attending(k):
    """A small transformer encoder with a residual and a normalisation baked in."""
    layers = k.layers
    rows = layers.Input((12, 3))
    scaled = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])(rows)
    wide = layers.Dense(8)(scaled)
    heard = layers.MultiHeadAttention(2, 4)(wide, wide)
    added = layers.LayerNormalization()(layers.Add()([wide, heard]))
    return k.Model(rows, layers.Dense(1)(layers.Flatten()(added)))


def calling(k):
    """Calls of the library beside its layers: slices, sums, means."""
    layers = k.layers
    mean, square, joined = (
        (k.ops.mean, k.ops.square, k.ops.concatenate)
        if k is keras
        else (tf.reduce_mean, tf.square, tf.concat)
    )
    rows = layers.Input((12, 3))
    heard = layers.GRU(4, return_sequences=True)(rows)
    both = heard[:, -1] + 0.5 * mean(heard, axis=1)
    wide = joined([both, square(both), 1.0 - rows[:, 2:4, 0]], axis=-1)
    return k.Model(rows, layers.Dense(2)(abs(wide)))


def prepared(k):
    """Preprocessing baked in."""
    layers = k.layers
    return [
        layers.Rescaling(0.5, offset=0.1),
        layers.Discretization(bin_boundaries=[-0.5, 0.0, 0.5]),
        layers.Flatten(),
        layers.Rescaling(0.3),
        layers.Dense(4, activation="gelu"),
        layers.Dense(2),
    ]


def remembering_layers(k):
    """Layers that keep their states from one call to the next."""
    layers = k.layers
    return [
        layers.Bidirectional(layers.LSTM(4, return_sequences=True, stateful=True)),
        layers.GRU(5, stateful=True),
        layers.Dense(2),
    ]


def anew(model, row):
    """Answer from a fresh state."""
    for layer in model.layers[:2]:
        (layer.reset_states if hasattr(layer, "reset_states") else layer.reset_state)()
    return np.asarray(model(row, training=False), np.float32)


def sequential(k, layers, **given):
    return k.Sequential([k.layers.Input((12, 3), **given), *layers])


def remember(model, name):
    for weight in model.weights:
        if "moving" in weight.name:
            weight.assign(np.abs(rng.normal(size=weight.shape)).astype(np.float32) + 0.5)
    expected[name] = np.asarray(model(ROWS, training=False), np.float32)
    return model


def save(model, name):
    remember(model, name)
    model.save(out / name)


for label, k in LIBRARIES.items():
    k.utils.set_random_seed(11)
    save(sequential(k, stacked(k)), f"{label}.keras")
    save(sequential(k, small(k, recurrent_activation="hard_sigmoid")), f"{label}.h5")
    save(sequential(k, lstm_autoencoder(k)), f"{label}_autoencoder.keras")
    save(sequential(k, convolutional(k)), f"{label}_convolutional.h5")
    save(attending(k), f"{label}_attending.keras")
    save(calling(k), f"{label}_calling.keras")
    save(sequential(k, prepared(k)), f"{label}_prepared.keras")
    apart = remember(sequential(k, small(k)), f"{label}.json")
    (out / f"{label}.json").write_text(apart.to_json())
    apart.save_weights(out / f"{label}.weights.h5")

    remembering = sequential(k, remembering_layers(k), batch_size=1)
    remembering.save(out / f"{label}_stateful.keras")
    expected[f"{label}_stateful.keras"] = np.concatenate([anew(remembering, row[None]) for row in ROWS])

save(calling(tf_keras), "keras2_calling.h5")
save(sequential(keras, small(keras), batch_size=8), "keras3_batch_of_8.h5")
exported = remember(sequential(keras, stacked(keras)), "keras3_exported")
exported.export(out / "keras3_exported", verbose=False)
saved = remember(sequential(tf_keras, small(tf_keras)), "keras2_saved")
saved.save(out / "keras2_saved", save_format="tf")
(out / "hdf5_inside.keras").write_bytes((out / "keras2.h5").read_bytes())
expected["hdf5_inside.keras"] = expected["keras2.h5"]
old = json.loads((out / "keras2.json").read_text())
(out / "says_nothing.json").write_text(json.dumps({"class_name": old["class_name"], "config": old["config"]}))
expected["says_nothing.json"] = expected["keras2.json"]


class Aware(tf.Module):
    """A plain graph, trained aware of its quantisation."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(rng.normal(size=(36, 4)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 3), tf.float32, name="rows")])
    def serve(self, rows):
        inside = tf.quantization.fake_quant_with_min_max_args(tf.reshape(rows, (-1, 36)), -4, 4)
        kernel = tf.quantization.fake_quant_with_min_max_args(self.kernel, -3, 3, narrow_range=True)
        return {"score": tf.quantization.fake_quant_with_min_max_args(inside @ kernel, -40, 40)}


aware = Aware()
expected["plain"] = aware.serve(ROWS)["score"].numpy()
tf.saved_model.save(aware, str(out / "plain"), signatures=aware.serve)
np.savez(out / "expected.npz", rows=ROWS, **expected)
