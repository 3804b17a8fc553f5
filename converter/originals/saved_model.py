"""SavedModel directories: a graph and its weights, without Python code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from converter.originals.original import (
    Floats32,
    Refused,
    first_line,
    input_name,
    output_name,
    tensors,
)

_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, tf.errors.OpError)
_PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
_FILES = {"ReadFile", "WriteFile", "MatchingFiles", "TextLineReader", "TextLineReaderV2", "WholeFileReader"}


class SavedModel:
    """A SavedModel with a signature ``serving_default``."""

    def __init__(self, path: Path) -> None:
        written_by = _refuse_outside(path)
        self.state = 0
        self.loaded_with = f"TensorFlow {tf.__version__} (SavedModel written by TensorFlow {written_by})"
        try:
            loaded = tf.saved_model.load(str(path))
        except _UNREADABLE as error:
            raise Refused(
                f"{path}: TensorFlow cannot load it: {first_line(error)}; copy the whole directory again, "
                "or export it again"
            ) from None
        serve = loaded.signatures.get("serving_default")
        if serve is None:
            raise Refused(f"{path}: no signature serving_default; save it with model.export(...)")
        inputs, outputs = serve.structured_input_signature[1], serve.structured_outputs
        for name, given in inputs.items():
            if given.dtype != tf.float32:
                raise Refused(
                    f"{path}: its input {name!r} is {given.dtype.name}; export it with a float32 input"
                )
        self._loaded = loaded  # owns the variables
        self._serve = tf.function(lambda *rows: serve(**dict(zip(inputs, rows, strict=True))))
        self.inputs, self.outputs = (
            tensors(path, [(name, tuple(spec.shape)) for name, spec in end.items()])
            for end in (inputs, outputs)
        )
        self._any_batch = all(given.shape[0] is None for given in inputs.values())

    def predict(self, rows: list[Floats32]) -> list[Floats32]:
        """Answer a batch; row by row if it was exported for batch 1 only."""
        parts = [rows] if self._any_batch else [[t[i : i + 1] for t in rows] for i in range(len(rows[0]))]
        answers = [self._serve(*map(tf.constant, part)) for part in parts]
        return [
            np.concatenate([np.asarray(answer[t.name], np.float32) for answer in answers])
            for t in self.outputs
        ]

    def converter(self, folder: Path) -> Any:
        """Freeze the signature with batch 1 and known sizes in its loops: else no recurrent one converts."""
        specs = [tf.TensorSpec(t.shape, tf.float32) for t in self.inputs]
        one = self._serve.get_concrete_function(*specs)
        frozen = convert_variables_to_constants_v2(one, lower_control_flow=False)
        graph = frozen.graph.as_graph_def()
        _fix_batch(graph)
        answered = dict(zip(sorted(one.structured_outputs), frozen.outputs, strict=True))
        ends = [*(t.name for t in frozen.inputs), *(answered[t.name].name for t in self.outputs)]
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            found = tf.graph_util.import_graph_def(graph, name="", return_elements=ends)
            asked, answers = found[: len(self.inputs)], found[len(self.inputs) :]
            tf.compat.v1.saved_model.simple_save(
                session,
                str(folder / "exported"),
                {input_name(place): rows for place, rows in enumerate(asked)},
                {output_name(place): answer for place, answer in enumerate(answers)},
            )
        return tf.lite.TFLiteConverter.from_saved_model(str(folder / "exported"))


def _functions(graph: Any) -> Iterator[Any]:
    """Yield the nodes of the graph and of each function in it."""
    yield graph.node
    for function in graph.library.function:
        yield function.node_def


def _refuse_outside(path: Path) -> str:
    """Refuse a graph that calls Python or touches files. Return the version of TensorFlow that wrote it."""
    try:
        described = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise Refused(f"{path}: truncated or damaged saved_model.pb ({error}); copy it again") from None
    for meta in described.meta_graphs:
        for nodes in _functions(meta.graph_def):
            for node in nodes:
                if node.op in _PYTHON:
                    raise Refused(
                        f"{path}: operation {node.name!r} ({node.op}) calls Python code; "
                        "no runtime can do that, so replace tf.py_function and export again"
                    )
                if node.op in _FILES:
                    raise Refused(
                        f"{path}: operation {node.name!r} ({node.op}) reads or writes files; "
                        "leave reading and writing out of the model and export again"
                    )
    return next((meta.meta_info_def.tensorflow_version for meta in described.meta_graphs), "") or "unknown"


def _fix_batch(graph: Any) -> None:
    """Put batch 1 where a loop was built for any batch, and forget what was inferred from that."""
    for nodes in _functions(graph):
        constants = {node.name: node for node in nodes if node.op == "Const"}
        for node in nodes:
            node.attr.pop("_output_shapes", None)
            if node.op in {"While", "StatelessWhile"}:
                node.attr["output_shapes"].list.ClearField("shape")
            if node.op.startswith("TensorList"):
                for source in node.input:
                    _fix_element_shape(constants.get(source.partition(":")[0]))


def _fix_element_shape(constant: Any) -> None:
    if constant is None or constant.attr["dtype"].type != tf.int32.as_datatype_enum:
        return
    shape = tf.make_ndarray(constant.attr["value"].tensor).copy()
    if shape.ndim == 1 and len(shape) and shape[0] == -1:
        shape[0] = 1
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(shape))
