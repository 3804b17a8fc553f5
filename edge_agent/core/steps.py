"""What happens to a row before the model, as the bundle says.

The converter and the agent call these same functions, so that what the gateway computes equals what
was measured.
"""

import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Manifest
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
