"""Which operator each output of a TFLite file comes from. Read from the file; nothing of it is run."""

from ai_edge_litert import schema_py_generated as schema

from converter.graph import OPERATORS

_TRANSPARENT = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE"}
"""They change the form of an answer, not its meaning."""


def makers(tflite: bytes) -> list[str]:
    """Return the name of the operator that makes each output, "" for one that is an input handed through."""
    model = schema.Model.GetRootAsModel(tflite, 0)
    graph = model.Subgraphs(0)
    made: dict[int, schema.Operator] = {}
    for place in range(graph.OperatorsLength()):
        operator = graph.Operators(place)
        made.update((operator.Outputs(result), operator) for result in range(operator.OutputsLength()))
    return [_maker(model, made, graph.Outputs(place)) for place in range(graph.OutputsLength())]


def _maker(model: schema.Model, made: dict[int, schema.Operator], tensor: int) -> str:
    operator = made.get(tensor)
    if operator is None:
        return ""
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Files of before 2020 have only the 8-bit code, files of now have 127 there for what is above.
    name = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    return _maker(model, made, operator.Inputs(0)) if name in _TRANSPARENT else name
