"""The known answers of a bundle, replayed on this runtime and this processor."""

from dataclasses import replace

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.bundle import Bundle
from edge_agent.core.packing import Packing, spans
from edge_agent.core.preparation import Preparation
from edge_agent.inference.process import START_DEADLINE, InferenceFailed, InferenceLate, InferenceProcess
from edge_agent.inference.replay import replay

DEADLINE = 10.0
ROWS = 16 + 4 + 1
"""Known inputs are repeated to at least so many: every size of batch is proven but that for 64 machines."""

Floats32 = npt.NDArray[np.float32]


class NotProven(InferenceFailed):
    """This runtime on this processor does not give the bundle's known answers."""


async def proven(bundle: Bundle, start: float = START_DEADLINE) -> tuple[InferenceProcess, float]:
    """Start a child that gives the known answers; return it and the largest difference.

    A runtime that gives them only one by one is asked so: a batch proven where the model was converted can
    come out wrong on another processor. It has `start` seconds to start. Raises
    `InferenceFailed`; then nothing is left behind.
    """
    child = await InferenceProcess.start(bundle, start)
    try:
        return child, await prove(bundle, child)
    except BaseException as error:
        child.close()
        failed = isinstance(error, InferenceFailed) and not isinstance(error, InferenceLate)
        if bundle.manifest.model.batch == 1 or not failed:
            raise
    return await proven(with_batch(bundle, 1), start)


async def prove(bundle: Bundle, child: InferenceProcess) -> float:
    """Replay the known answers and return the largest difference. Raises `InferenceFailed`."""
    known, model = bundle.known.outputs, bundle.manifest.model
    asked = np.resize(np.arange(len(known)), max(ROWS, len(known)))
    answers = await replay(child, questions(bundle)[asked], DEADLINE)
    differences = np.abs(answers - known[asked])
    for tensor, span in zip(model.outputs, spans(model.outputs).values(), strict=True):
        difference = float(differences[:, span].max())
        if not difference <= tensor.tolerance:
            where = f" in {tensor.name}" if len(model.outputs) > 1 else ""
            raise NotProven(
                f"{child.runtime} does not give the bundle's known answers here: "
                f"off by {difference:.3g}{where}, allowed are {tensor.tolerance:.3g}"
            )
    return float(differences.max())


def questions(bundle: Bundle) -> Floats32:
    """Return the known inputs as the model is asked them, packed: float32[k, input_size]."""
    rows = Preparation(bundle.manifest)(bundle.known.inputs).reshape(len(bundle.known.inputs), -1)
    return np.ascontiguousarray(Packing.of(bundle.manifest)(rows), np.float32)


def with_batch(bundle: Bundle, rows: int) -> Bundle:
    """Return the bundle with a model that may answer so many rows in one call."""
    model = msgspec.structs.replace(bundle.manifest.model, batch=rows)
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, model=model))
