"""The scales of a quantised model's inputs, read from the file. Only the child imports this."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.job import InputScale

_OPERATORS = schema.BuiltinOperator
_RESHAPES = {_OPERATORS.RESHAPE, _OPERATORS.EXPAND_DIMS, _OPERATORS.SQUEEZE, _OPERATORS.TRANSPOSE}
_TYPES = schema.TensorType
_LIMITS: dict[int, Any] = {_TYPES.INT8: np.iinfo(np.int8), _TYPES.INT16: np.iinfo(np.int16)}


def read(model: bytes) -> list[InputScale | None]:
    """Return the scale of each input, which may be quantised by the graph. None for a float input."""
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    return [_of_input(parsed, int(index)) for index in parsed.subgraphs[0].inputs]


def _of_input(parsed: Any, index: int) -> InputScale | None:
    graph = parsed.subgraphs[0]
    for operator in graph.operators:
        code = parsed.operatorCodes[operator.opcodeIndex].builtinCode
        if index in operator.inputs and (code == _OPERATORS.QUANTIZE or code in _RESHAPES):
            index = int(operator.outputs[0])
    return _scale(graph.tensors[index])


def _scale(tensor: Any) -> InputScale | None:
    limits, found = _LIMITS.get(tensor.type), tensor.quantization
    if limits is None or found is None or found.scale is None or len(found.scale) != 1:
        return None
    step, zero = float(found.scale[0]), int(found.zeroPoint[0])
    return InputScale(low=(limits.min - zero) * step, high=(limits.max - zero) * step, step=step)
