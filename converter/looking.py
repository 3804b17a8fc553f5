"""The ends of a model that nobody has described yet. Only the child imports this."""

from pathlib import Path

import numpy as np

from converter import ends, job, originals, tflite
from edge_agent.core.manifest import InputTensor


def look(task: job.Look, folder: Path) -> job.Facts:
    """Do as `job.Look` says. Raises `Refused`, and what TensorFlow raises for what it cannot convert.

    The operators are those of the model as float32 TFLite: there, all files name them alike.
    """
    original = originals.load(Path(task.model), task.loading)
    own = folder / "float32"
    own.mkdir()
    tflite.convert(original, "float32", np.empty((0, 1), np.float32), own)
    return job.Facts(
        inputs=[InputTensor(name=t.name, shape=t.shape, columns=[]) for t in original.inputs],
        outputs=original.outputs,
        makers=ends.makers((own / job.TFLITE).read_bytes()),
        loaded_with=original.loaded_with,
    )
