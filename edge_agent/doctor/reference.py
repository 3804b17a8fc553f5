"""One small model by every recipe: what tells one processor from another. Made by bench/reference.py."""

import zipfile
from pathlib import Path

import msgspec
import numpy as np

from edge_agent import bundle
from edge_agent.bundle import Bundle
from edge_agent.core.manifest import InputTensor, Model, OutputTensor
from edge_agent.demo.site import SHIPPED
from edge_agent.inference.process import InferenceFailed, InferenceProcess
from edge_agent.inference.timing import Latency, latencies

FILE = Path(__file__).with_name("reference.zip")
_SHAPE = [1, 32, 8]
_ROWS = 32


async def measure() -> tuple[dict[str, Latency], dict[str, str]]:
    """Measure every recipe in turns, each in a child of its own: its times, or why it does not run here."""
    children: dict[str, InferenceProcess] = {}
    refused: dict[str, str] = {}
    try:
        for recipe, one in bundles().items():
            try:
                children[recipe] = await InferenceProcess.start(one)
            except InferenceFailed as error:
                refused[recipe] = str(error)
        rows = np.zeros((_ROWS, _SHAPE[1] * _SHAPE[2]), np.float32)
        return await latencies(children, dict.fromkeys(children, rows)), refused
    finally:
        for child in children.values():
            child.close()


def bundles() -> dict[str, Bundle]:
    """Return the models by recipe, each as a bundle that promises nothing but its shape."""
    shipped = bundle.read(SHIPPED)
    with zipfile.ZipFile(FILE) as file:
        models = {Path(name).stem: file.read(name) for name in file.namelist()}
    return {
        recipe: Bundle(
            msgspec.structs.replace(shipped.manifest, model=_model(recipe)), model, shipped.known, ""
        )
        for recipe, model in models.items()
    }


def _model(recipe: str) -> Model:
    columns = [f"c{i}" for i in range(_SHAPE[2])]
    return Model(
        recipe=recipe,
        inputs=[InputTensor(name="input", shape=_SHAPE, columns=columns)],
        outputs=[OutputTensor(name="output", shape=[1, 1], tolerance=0.0)],
        ops=[],
    )
