"""A recurrent model row by row: a row and the state before go in, an answer and the state after come out.

Exact where the model goes that way itself: it is stateful and takes one row in a call, or it answers after
every row of a sequence, from that row and those before.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from converter.originals.keras_model import KerasModel
from converter.originals.original import Floats32, Refused
from edge_agent.core.manifest import Tensor

EXACT = 1e-5
"""How far an answer may be from that to the whole sequence, as a fraction of the largest magnitude."""


class Streaming:
    """An original that takes sequences of `window` rows, each from a fresh state, exported as one step.

    `state` is how many numbers it keeps from row to row. Raises `Refused` if `model` cannot go row by row.
    """

    def __init__(self, path: Path, model: KerasModel, window: int) -> None:
        self._path, self._model, self.loaded_with = path, model, model.loaded_with
        self._layers = _chain(path, model)
        self._sizes = [size for layer in self._layers for size in _state_of(layer)]
        self.state = sum(self._sizes)
        given, answered = tuple(model.model.inputs[0].shape), tuple(model.model.outputs[0].shape)
        self._one_row = given[1] == 1
        if not self._one_row and (len(answered) != 3 or given[1] != answered[1]):
            raise Refused(
                f"{path}: answers {answered[1:]} to a window of {given[1:]}: not one answer for each row, so "
                "it is exact on whole windows only; leave `streaming` out of the card"
            )
        if given[1] not in (1, None, window):
            raise Refused(f"{path}: takes {given[1]} rows in a call; correct the card's `window`")
        self.inputs = [Tensor(name=model.inputs[0].name, shape=[1, window, given[2]])]
        self.outputs = [Tensor(name=model.outputs[0].name, shape=[1, *answered[1 if self._one_row else 2 :]])]
        self._stepped = tf.function(self._step, reduce_retracing=True)

    def predict(self, rows: list[Floats32]) -> list[Floats32]:
        """Answer the last row of each sequence, float32[b, window, inputs].

        Raises `Refused` if a model of whole sequences answers otherwise than row by row.
        """
        answer, state = None, tf.zeros((len(rows[0]), self.state))
        for row in range(rows[0].shape[1]):
            answer, state = self._stepped(tf.constant(rows[0][:, row : row + 1]), state)
        stepped = np.asarray(answer, np.float32)
        if self._one_row:
            return [stepped]
        whole = self._model.predict(rows)[0][:, -1]
        difference = float(np.abs(stepped - whole).max())
        if not difference <= EXACT * float(np.abs(whole).max()):
            raise Refused(
                f"{self._path}: answers row by row are off by {difference:.3g} from those to whole sequences:"
                " some layer looks at other rows than its own; leave `streaming` out of the card"
            )
        return [whole]

    def converter(self, folder: Path) -> Any:
        """Export one step: the state is the last input and the last output."""
        shapes = [[1, 1, self.inputs[0].shape[2]], [1, self.state]]
        return self._model.exported(folder, lambda row, state: list(self._step(row, state)), shapes)

    def _step(self, row: Any, state: Any) -> tuple[Any, Any]:
        """Take float32[b, 1, inputs] and float32[b, state]; return the answer and the state after it."""
        before, after, flow = iter(tf.split(state, self._sizes, axis=1)), [], row
        for layer in self._layers:
            if not _state_of(layer):
                flow = layer(flow)
                continue
            kept = [next(before) for _ in _state_of(layer)]
            flow, new = layer.cell(flow[:, 0], kept)
            after += tf.nest.flatten(new)
            if layer.return_sequences:
                flow = flow[:, None]
        if not self._one_row:
            flow = flow[:, 0]
        return flow, tf.concat(after, axis=1)


def _chain(path: Path, model: KerasModel) -> list[Any]:
    """Return the layers in their order. Raises `Refused` unless each takes what the one before gives."""
    library, keras = model.library, model.model
    layers = [layer for layer in keras.layers if not isinstance(layer, library.layers.InputLayer)]
    before = keras.inputs[0]
    for layer in layers:
        if not isinstance(keras, library.Sequential) and layer.input is not before:
            raise Refused(f"{path}: layer {layer.name!r} is not next in a chain of layers; {_ONLY_CHAINS}")
        before = layer.output
    recurrent = [layer for layer in layers if _state_of(layer)]
    # No public walk of Keras reaches the layers inside wrappers.
    inside = [each for each in keras._flatten_layers() if isinstance(each, library.layers.RNN)]  # noqa: SLF001
    hidden = [each for each in inside if each not in recurrent or each.go_backwards]
    if hidden:
        raise Refused(f"{path}: layer {hidden[0].name!r} goes backwards or is inside another; {_ONLY_CHAINS}")
    if not recurrent:
        raise Refused(f"{path}: has no GRU, LSTM or SimpleRNN, so there is no state to keep; {_ONLY_CHAINS}")
    return layers


_ONLY_CHAINS = "only a chain of layers goes row by row; leave `streaming` out of the card"


def _state_of(layer: Any) -> list[int]:
    """Return the sizes of what a recurrent layer keeps from row to row; nothing for any other layer."""
    return list(tf.nest.flatten(getattr(getattr(layer, "cell", None), "state_size", [])))
