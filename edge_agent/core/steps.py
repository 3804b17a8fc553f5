"""What happens to a row before the model and to the answer after it, as the bundle says.

The converter and the agent call these same functions, so that what the gateway computes equals what
was measured.
"""

import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Manifest, Output
from edge_agent.core.tags import Floats

Floats32 = npt.NDArray[np.float32]


class Preparation:
    """The bundle's steps, ready to run."""

    def __init__(self, manifest: Manifest) -> None:
        self._steps = [(np.array(s.offset), np.array(s.scale)) for s in manifest.steps]

    def __call__(self, rows: Floats) -> Floats32:
        """Turn float64[..., inputs] in engineering units into what the model was trained on."""
        with np.errstate(over="ignore", invalid="ignore"):
            for offset, scale in self._steps:
                rows = (rows - offset) / scale
            return rows.astype(np.float32)


def score(output: Output, answer: Floats32, asked: Floats32) -> float:
    """Turn the model's flat `answer` to the flat input `asked` into the bundle's one number.

    NaN or infinity in gives NaN or infinity out, never a number that looks healthy.
    """
    if output.kind == "reconstruction_error":
        difference = answer.astype(np.float64) - asked
        return float(np.dot(difference, difference)) / difference.size
    return float(answer[0]) * output.scale + output.offset
