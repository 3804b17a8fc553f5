"""The bundle around the smallest real model, and what it must answer, by hand in numpy."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.bundle import Known
from edge_agent.core.manifest import (
    Input,
    InputTensor,
    Limits,
    Manifest,
    Model,
    Origin,
    Output,
    OutputTensor,
)
from edge_agent.core.steps import Affine

Floats32 = npt.NDArray[np.float32]

OFFSET, SCALE = [10.0, 20.0, 30.0, 40.0], [1.0, 2.0, 4.0, 8.0]

NAMES = ["flow", "head", "speed", "power"]
OUTPUT = Output(name="wear", kind="probability", tensor="answer", limits=Limits(on=0.8, off=0.6))

MANIFEST = Manifest(
    schema=2,
    name="dense",
    version="1",
    sequence=1,
    inputs=[Input(name=n, min=-100, max=100, mean=0, std=1) for n in NAMES],
    period=1.0,
    window=4,
    max_gap=2.0,
    steps=[Affine(offset=OFFSET, scale=SCALE)],
    outputs=[OUTPUT],
    model=Model(
        recipe="float32",
        inputs=[InputTensor(name="window", shape=[1, 4, 4], columns=NAMES)],
        outputs=[OutputTensor(name="answer", shape=[1, 1], tolerance=1e-5)],
        ops=["FULLY_CONNECTED", "LOGISTIC", "RESHAPE"],
    ),
    origin=Origin(converter="0", tools={}, model_sha256="", data_sha256=""),
    parts={},
)


def manifest(**changes: Any) -> Manifest:
    return msgspec.structs.replace(MANIFEST, **changes)


def text(**changes: Any) -> bytes:
    """The manifest as JSON; `outputs__0__limits` is the limits of its first output."""
    plain = msgspec.to_builtins(MANIFEST)
    for path, value in changes.items():
        *parents, key = path.split("__")
        place = plain
        for parent in parents:
            place = place[int(parent) if parent.isdigit() else parent]
        place[key] = value
    return msgspec.json.encode(plain)


def takes(columns: list[str]) -> Model:
    """The model with a window of these inputs."""
    window = InputTensor(name="window", shape=[1, 4, 4], columns=columns)
    return msgspec.structs.replace(MANIFEST.model, inputs=[window])


def limited(limits: Limits | None) -> list[Output]:
    """The output with other limits."""
    return [msgspec.structs.replace(OUTPUT, limits=limits)]


def standardised(windows: npt.NDArray[np.floating[Any]]) -> Floats32:
    return ((windows.astype(np.float64) - OFFSET) / SCALE).astype(np.float32)


def expected(prepared: Floats32) -> npt.NDArray[np.float64]:
    """The answer float64[k, 1] to prepared windows float32[k, 4, 4], from the model's formula."""
    weights = (np.arange(16) - 7.5) / 10
    return 1 / (1 + np.exp(-(prepared.reshape(-1, 16).astype(np.float64) @ weights + 0.25)))[:, np.newaxis]


def known(windows: npt.NDArray[np.floating[Any]], answers: npt.NDArray[np.floating[Any]]) -> Known:
    """Known answers that original and converted model agree on."""
    return Known(windows.astype(np.float64), answers.astype(np.float32), answers.astype(np.float32))


def known_windows() -> Floats32:
    return (np.random.default_rng(7).normal(size=(3, 4, 4)) * SCALE + OFFSET).astype(np.float32)
