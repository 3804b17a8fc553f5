"""Whole windows through a child, also through a model that takes them row by row."""

import numpy as np
import numpy.typing as npt

from edge_agent.inference.process import InferenceProcess

Floats32 = npt.NDArray[np.float32]


async def replay(child: InferenceProcess, packed: Floats32, deadline: float) -> Floats32:
    """Answer packed windows, float32[k, input_size]: float32[k, output_size].

    A model with a state is given each window row by row, from the state 0; the answer is that to the last
    row. `deadline` is for each call, in seconds. Raises `InferenceFailed`.
    """
    size = child.model.state
    if not size:
        return await child.run(packed, deadline)
    rows = packed.reshape(len(packed), -1, len(child.model.inputs[0].columns))
    answers = np.zeros((len(packed), size), np.float32)
    for row in range(rows.shape[1]):
        answers = await child.run(np.concatenate((rows[:, row], answers[:, -size:]), axis=1), deadline)
    return answers[:, :-size]


def openings(child: InferenceProcess, packed: Floats32) -> Floats32:
    """Return what the child is asked first of each packed window."""
    if not child.model.state:
        return packed
    rows = packed[:, : len(child.model.inputs[0].columns)]
    return np.concatenate((rows, np.zeros((len(rows), child.model.state), np.float32)), axis=1)
