"""int8 models of one float model in which only some layers are int8. Only the child imports this."""

from collections.abc import Collection
from typing import Any

from tensorflow.lite.python.convert import mlir_quantize  # what QuantizationDebugger, its public face, calls

from converter import architecture, graph
from converter.architecture import Operator

_MOVES = {
    "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "PACK", "PAD", "PADV2",
    "RESHAPE", "REVERSE_V2", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE",
    "TILE", "TRANSPOSE", "UNPACK",
}  # fmt: skip
"""Operators that only move numbers. They belong to the layer that they feed: in int8 they would round its
input."""


class Selective:
    """A calibrated model. `layers` are the operators that compute, by the tensor that they make first."""

    def __init__(self, converter: Any) -> None:
        """Take the ranges of everything in the model; `converter` is set up as for the recipe int8."""
        converter._experimental_calibrate_only = True  # noqa: SLF001 - no public name exists for it
        self._calibrated: bytes = converter.convert()
        self._operators = [o for o in architecture.operators(self._calibrated) if o.results]
        self.layers = {o.results[0]: o for o in self._operators if o.name not in _MOVES}

    def name(self, tensor: str) -> str:
        """Return a layer's name for people: its tensor's path in the graph, which Keras names by layers."""
        if not any(tensor in o.reads for o in self._operators):
            return "output"
        path = tensor.partition(";")[0].split("/")
        return "/".join(path[1:-1]) or tensor

    def model(self, floats: Collection[str]) -> bytes:
        """Return the model with these layers in float and all others in int8."""
        made: bytes = mlir_quantize(self._calibrated, denylisted_nodes=sorted(self._with_moves(floats)))
        return graph.with_tensors_in_order(made)

    def _with_moves(self, floats: Collection[str]) -> set[str]:
        """Add the operators that feed float layers, and those behind float layers that feed nothing."""
        found = set(floats)
        read = {name for o in self._operators for name in o.reads}
        for o in reversed(self._operators):
            if o.name in _MOVES and _touches(o, found, self._operators):
                found.update(o.results)
        for o in self._operators:
            if o.name in _MOVES and found.intersection(o.reads) and not read.intersection(o.results):
                found.update(o.results)
        return found


def _touches(mover: Operator, floats: set[str], operators: list[Operator]) -> bool:
    return any(set(o.reads) & set(mover.results) and floats.intersection(o.results) for o in operators)
