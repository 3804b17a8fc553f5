"""What a TFLite file is made of: its operators and its weights. Read from the file; nothing of it is run."""

from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import msgspec
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
DTYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if name.isupper()}
_WEIGHTS = {"float16", "float32", "int4", "int8", "int16"}
"""Constants of other types are shapes and indices."""
_LOOPS = {"WHILE", "RNN", "LSTM"}


class Graph(msgspec.Struct, frozen=True):
    """The operators by name, those that LiteRT does not have by their own; and the weights.

    `weights` holds dtype and count of every constant of two dimensions or more, biases left out.
    """

    operators: list[str]
    foreign: list[str]
    weights: list[tuple[str, int]]

    @property
    def recurrent(self) -> bool:
        """Whether it has a loop over time: what GRU and LSTM become if they are not unrolled."""
        return any(_LOOPS & set(operator.split("_")) for operator in self.operators)


def read(model: bytes) -> Graph:
    """Take a TFLite file apart, all of its subgraphs."""
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    used = {op.opcodeIndex for part in parsed.subgraphs for op in part.operators or []}
    codes = [parsed.operatorCodes[index] for index in used]
    return Graph(
        operators=sorted({OPERATORS[_code(c)] for c in codes}),
        foreign=sorted({c.customCode.decode() for c in codes if c.customCode}),
        weights=[
            (DTYPES[tensor.type], int(np.prod(tensor.shape)))
            for part in parsed.subgraphs
            for tensor in part.tensors
            if _is_weight(parsed, tensor)
        ],
    )


def with_tensors_in_order(model: bytes) -> bytes:
    """Return the same model with its inputs and outputs in the order of their names in the signature.

    TensorFlow puts them in an order of its own, which may differ from one conversion to the next.
    """
    changed = bytearray(model)
    parsed = schema.Model.GetRootAsModel(changed, 0)
    graph, signature = parsed.Subgraphs(0), parsed.SignatureDefs(0)
    for end, count, of in (
        (graph.InputsAsNumpy(), signature.InputsLength(), signature.Inputs),
        (graph.OutputsAsNumpy(), signature.OutputsLength(), signature.Outputs),
    ):
        places = {_number(of(i).Name()): of(i).TensorIndex() for i in range(count)}
        end[:] = [places[number] for number in sorted(places)]  # a view of `changed`
    return bytes(changed)


def _number(name: bytes) -> int:
    """Return n of ``input_n`` or ``output_n``, as `converter.originals.original` names them."""
    return int(name.rpartition(b"_")[2])


def with_short_names(model: bytes) -> bytes:
    """Return the same model with shorter names: TensorFlow joins those of all layers that it fused."""
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    for part in parsed.subgraphs:
        for tensor in part.tensors:
            tensor.name = tensor.name.split(b";")[0]
    builder = _Aligned(len(model))
    builder.Finish(parsed.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _Aligned(flatbuffers.Builder):  # type: ignore[misc]
    def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802 - the library's name
        # The schema wants weights aligned to 16 bytes, which Python's generated code does not see to.
        self.Prep(16, x.nbytes)
        return int(super().CreateNumpyVector(x))


def _code(operator: Any) -> int:
    # Files of before 2020 keep the code in a byte of its own, newer ones may fill only the other.
    return max(int(operator.builtinCode), int(operator.deprecatedBuiltinCode))


def _is_weight(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    filled = data is not None and len(data) > 0 and tensor.shape is not None
    return filled and len(tensor.shape) >= 2 and DTYPES[tensor.type] in _WEIGHTS
