"""The bundle around the smallest real model, and what it must answer, by hand in numpy."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Affine, Input, Limits, Manifest, Model, Origin, Output

Floats32 = npt.NDArray[np.float32]

OFFSET, SCALE = [10.0, 20.0, 30.0, 40.0], [1.0, 2.0, 4.0, 8.0]

MANIFEST = Manifest(
    schema=1,
    name="dense",
    version="1",
    inputs=[Input(name=n, min=-100, max=100, mean=0, std=1) for n in ("flow", "head", "speed", "power")],
    period=1.0,
    window=4,
    max_gap=2.0,
    steps=[Affine(offset=OFFSET, scale=SCALE)],
    output=Output(name="wear", kind="probability"),
    limits=Limits(on=0.8, off=0.6),
    model=Model(recipe="float32", input_shape=[1, 4, 4], output_shape=[1, 1], tolerance=1e-5),
    origin=Origin(converter="0", tools={}, model_sha256="", data_sha256=""),
    parts={},
)


def manifest(**changes: Any) -> Manifest:
    return msgspec.structs.replace(MANIFEST, **changes)


def standardised(windows: npt.NDArray[np.floating[Any]]) -> Floats32:
    return ((windows.astype(np.float64) - OFFSET) / SCALE).astype(np.float32)


def expected(prepared: Floats32) -> npt.NDArray[np.float64]:
    """The answer float64[k, 1] to prepared windows float32[k, 4, 4], from the model's formula."""
    weights = (np.arange(16) - 7.5) / 10
    return 1 / (1 + np.exp(-(prepared.reshape(-1, 16).astype(np.float64) @ weights + 0.25)))[:, np.newaxis]


def known_windows() -> Floats32:
    return (np.random.default_rng(7).normal(size=(3, 4, 4)) * SCALE + OFFSET).astype(np.float32)
