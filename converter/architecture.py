"""A TFLite file layer by layer, for people; read from the file, nothing of it runs."""

import math

import msgspec
from ai_edge_litert import schema_py_generated as schema

from converter.graph import DTYPES, OPERATORS


class Operator(msgspec.Struct, frozen=True):
    """One operator, shape and dtype of its first result, how many constants of which dtype it reads.

    `reads` and `results` are names of tensors: those it reads that are no constants, and its results.
    """

    name: str
    shape: list[int]
    dtype: str
    constants: dict[str, int]
    reads: list[str]
    results: list[str]


def operators(tflite: bytes) -> list[Operator]:
    """Return the operators of every subgraph, in the order they run."""
    model = schema.Model.GetRootAsModel(tflite, 0)
    graphs = [model.Subgraphs(g) for g in range(model.SubgraphsLength())]
    return [
        _operator(model, graph, graph.Operators(o))
        for graph in graphs
        for o in range(graph.OperatorsLength())
    ]


def _operator(model: schema.Model, graph: schema.SubGraph, operator: schema.Operator) -> Operator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Files of before 2020 have only the 8-bit code, files of now have 127 there for what is above.
    name = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    constants: dict[str, int] = {}
    reads: list[str] = []
    for place in range(operator.InputsLength()):
        if (index := operator.Inputs(place)) >= 0:  # -1 is an input left out
            tensor = graph.Tensors(index)
            if model.Buffers(tensor.Buffer()).DataLength():
                dtype = DTYPES[tensor.Type()]
                constants[dtype] = constants.get(dtype, 0) + math.prod(_shape(tensor))
            else:
                reads.append(tensor.Name().decode())
    outputs = [graph.Tensors(operator.Outputs(place)) for place in range(operator.OutputsLength())]
    shape, dtype = (_shape(outputs[0]), DTYPES[outputs[0].Type()]) if outputs else ([], "")
    return Operator(name, shape, dtype, constants, reads, [tensor.Name().decode() for tensor in outputs])


def _shape(tensor: schema.Tensor) -> list[int]:
    return [tensor.Shape(axis) for axis in range(tensor.ShapeLength())]
