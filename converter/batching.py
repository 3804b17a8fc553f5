"""A model made for batch 1 that takes any, and the proof: TensorFlow fixes the batch where it reshapes."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edge_agent.bundle import Bundle
from edge_agent.inference.model import SIZES
from edge_agent.inference.process import InferenceFailed, InferenceProcess
from edge_agent.inference.proof import with_batch
from edge_agent.inference.replay import replay

Floats32 = npt.NDArray[np.float32]
LARGEST = max(SIZES)
_DEADLINE = 10.0

_RESHAPE = schema.BuiltinOperator.RESHAPE
_SHAPE = 1
"""The input of a RESHAPE that says to what."""
_ANY = -1


def with_any_batch(model: bytes) -> bytes:
    """Return the same model, whose reshapes take the batch from what they reshape.

    With batch 1 it computes what it did. Whether it takes another batch is to be tried: some operators
    cannot.
    """
    changed = bytearray(model)
    parsed = schema.Model.GetRootAsModel(changed, 0)
    shapes, others = set[int](), set[int]()
    for is_shape, buffer in _constants(parsed):
        (shapes if is_shape else others).add(buffer)
    # TensorFlow keeps equal constants once: a shape may be another operator's strides as well.
    for buffer in shapes - others:
        shape = parsed.Buffers(buffer).DataAsNumpy().view(np.int32)  # a view of what is changed
        if shape[0] == 1 and _ANY not in shape:
            shape[0] = _ANY
    return bytes(changed)


def _constants(model: schema.Model) -> Iterator[tuple[bool, int]]:
    """Yield the buffer of each constant that an operator reads, and whether it is the shape of a RESHAPE."""
    for place in range(model.SubgraphsLength()):
        graph = model.Subgraphs(place)
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            reshapes = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode() == _RESHAPE
            for which in range(operator.InputsLength()):
                if (tensor := operator.Inputs(which)) >= 0:  # -1 is an input left out
                    buffer = graph.Tensors(tensor).Buffer()
                    if model.Buffers(buffer).DataLength():
                        yield reshapes and which == _SHAPE, buffer


async def proven(bundle: Bundle, packed: Floats32) -> int:
    """Return how many packed windows one call may answer: `LARGEST` if that changes no bit, or 1.

    Raises `InferenceFailed` if the model cannot answer one by one.
    """
    windows = np.resize(packed, (sum(SIZES), packed.shape[1]))  # every size is used once
    alone = await _answered(bundle, windows, 1)
    try:
        together = await _answered(bundle, windows, LARGEST)
    except InferenceFailed:
        return 1
    return LARGEST if np.array_equal(alone, together) else 1


async def _answered(bundle: Bundle, windows: Floats32, batch: int) -> Floats32:
    child = await InferenceProcess.start(with_batch(bundle, batch))
    try:
        return await replay(child, windows, _DEADLINE)
    finally:
        child.close()
