"""Train one small model of each architecture on a few sines, and convert it by every recipe, into a folder.

Each model gets a folder of its own: MODEL/RECIPE/model.tflite or refusal.txt, and MODEL/answers.npy.
Everything happens in this one process, because TensorFlow takes seconds to start.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers as kl

from converter import recipes, tflite
from converter.originals import Refused, answers, load

WINDOW, INPUTS = 24, 4
THOROUGHLY = {"dense", "conv1d", "tcn", "transformer"}
"""Converted by every recipe; the others by three, to save time."""
SOME: list[recipes.Name] = ["float32", "dynamic_int8", "int8"]


def sines() -> np.ndarray:
    """Windows float32[n, WINDOW, INPUTS] of noisy sines."""
    rng = np.random.default_rng(7)
    seconds = np.arange(400 + WINDOW)[:, None] * 0.1
    signals = np.sin(seconds * (np.arange(INPUTS) + 1) / 2) + rng.normal(0, 0.1, (len(seconds), INPUTS))
    return np.stack([signals[i : i + WINDOW] for i in range(400)]).astype(np.float32)


def stack(*layers: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((WINDOW, INPUTS)), *layers])


def dense() -> keras.Model:
    return stack(
        kl.Flatten(), kl.Dense(32, "relu"), kl.Dropout(0.2), kl.Dense(32, "tanh"), kl.Dense(1, "sigmoid")
    )


def batch_norm() -> keras.Model:
    return stack(kl.Flatten(), kl.Dense(32), kl.BatchNormalization(), kl.ReLU(), kl.Dense(1))


def layer_norm() -> keras.Model:
    return stack(kl.Flatten(), kl.Dense(32), kl.LayerNormalization(), kl.ReLU(), kl.Dense(1))


def conv1d() -> keras.Model:
    return stack(
        kl.Conv1D(16, 5, activation="relu"),
        kl.MaxPooling1D(2),
        kl.Conv1D(16, 3, padding="same", activation="relu"),
        kl.GlobalAveragePooling1D(),
        kl.Dense(1),
    )


def conv2d() -> keras.Model:
    return stack(
        kl.Reshape((WINDOW, INPUTS, 1)),
        kl.Conv2D(8, 3, padding="same", activation="relu"),
        kl.MaxPooling2D(2),
        kl.Flatten(),
        kl.Dense(1),
    )


def depthwise() -> keras.Model:
    return stack(
        kl.Reshape((WINDOW, INPUTS, 1)),
        kl.Conv2D(8, 3, padding="same"),
        kl.DepthwiseConv2D(3, activation="relu"),
        kl.Flatten(),
        kl.Dense(1),
    )


def separable() -> keras.Model:
    return stack(
        kl.SeparableConv1D(16, 5, activation="relu"),
        kl.DepthwiseConv1D(3),
        kl.GlobalMaxPooling1D(),
        kl.Dense(1),
    )


def tcn() -> keras.Model:
    """Dilated causal convolutions with a way around each block."""
    flow = given = keras.Input((WINDOW, INPUTS))
    for dilation in (1, 2, 4):
        inner = kl.Conv1D(16, 3, padding="causal", dilation_rate=dilation, activation="relu")(flow)
        inner = kl.Conv1D(16, 3, padding="causal", dilation_rate=dilation, activation="relu")(inner)
        flow = kl.Add()([inner, kl.Conv1D(16, 1)(flow)])
    return keras.Model(given, kl.Dense(1)(kl.GlobalAveragePooling1D()(flow)))


def transformer() -> keras.Model:
    given = keras.Input((WINDOW, INPUTS))
    attended = kl.MultiHeadAttention(2, 8)(given, given)
    hidden = kl.LayerNormalization()(kl.Add()([given, attended]))
    forward = kl.Dense(INPUTS)(kl.Dense(32, "gelu")(hidden))
    encoded = kl.LayerNormalization()(kl.Add()([hidden, forward]))
    return keras.Model(given, kl.Dense(1)(kl.GlobalAveragePooling1D()(encoded)))


def normalization() -> keras.Model:
    inside = kl.Normalization()
    inside.adapt(sines())
    return stack(inside, kl.Flatten(), kl.Dense(32, "relu"), kl.Dense(1))


def gru() -> keras.Model:
    return stack(kl.GRU(20), kl.Dense(1))


def lstm() -> keras.Model:
    return stack(kl.LSTM(16), kl.Dense(1))


def stacked() -> keras.Model:
    return stack(kl.LSTM(16, return_sequences=True), kl.GRU(20), kl.Dense(1))


def bidirectional() -> keras.Model:
    return stack(kl.Bidirectional(kl.LSTM(16)), kl.Dense(1))


def lstm_autoencoder() -> keras.Model:
    return stack(
        kl.LSTM(16),
        kl.RepeatVector(WINDOW),
        kl.LSTM(16, return_sequences=True),
        kl.TimeDistributed(kl.Dense(INPUTS)),
    )


BUILDERS: list[Callable[[], keras.Model]] = [
    dense, batch_norm, layer_norm, conv1d, conv2d, depthwise, separable, tcn, transformer, normalization,
    gru, lstm, stacked, bidirectional, lstm_autoencoder,
]  # fmt: skip


def trained(build: Callable[[], keras.Model], windows: np.ndarray) -> keras.Model:
    model = build()
    reconstructs = model.output_shape[1:] == windows.shape[1:]
    targets = windows if reconstructs else windows[:, -8:].mean(axis=(1, 2))[:, None] + 0.5
    model.compile("adam", "mse")
    model.fit(windows, targets, epochs=1, batch_size=32, verbose=0)
    return model


def main(out: Path) -> None:
    keras.utils.set_random_seed(7)
    windows = sines()
    asked, calibration = windows[1::4].reshape(100, -1), windows[::4].reshape(100, -1)
    np.save(out / "asked.npy", asked)
    for build in BUILDERS:
        folder = out / build.__name__
        folder.mkdir()
        trained(build, windows).save(folder / "model.keras")
        original = load(folder / "model.keras")
        np.save(folder / "answers.npy", answers(original, asked).reshape(-1, *original.outputs[0].shape[1:]))
        for recipe in recipes.PLAIN if build.__name__ in THOROUGHLY else SOME:
            (folder / recipe).mkdir()
            try:
                tflite.convert(original, recipe, calibration, folder / recipe)
            except (Refused, RuntimeError) as refused:
                (folder / recipe / "refusal.txt").write_text(str(refused))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
