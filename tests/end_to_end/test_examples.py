"""Every example has a configuration that fits its card; `check` needs the bundle but runs no model."""

import shutil
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from dense_model import MANIFEST, known
from sources import EXAMPLES, python

from converter import card, card_file
from edge_agent import bundle
from edge_agent.core.manifest import Input, InputTensor, Model, OutputTensor


def promise(path: Path, said: card.Card) -> None:
    """Write a bundle that promises what a card says."""
    inputs = [Input(name=i.name, unit=i.unit, min=0, max=1, mean=0.5, std=0.1) for i in said.inputs]
    size = said.window * len(inputs)
    model = Model(
        recipe="float32",
        inputs=[InputTensor(name="window", shape=[1, size], columns=[i.name for i in inputs])],
        outputs=[OutputTensor(name="answer", shape=[1, size], tolerance=0)],
        ops=[],
    )
    changes = {"name": said.name, "period": float(said.period), "window": said.window}
    manifest = msgspec.structs.replace(MANIFEST, inputs=inputs, steps=[], model=model, **changes)
    windows = np.zeros((1, said.window, len(inputs)))
    path.parent.mkdir(parents=True, exist_ok=True)
    bundle.write(path, manifest, b"", known(windows, windows.reshape(1, size)))


@pytest.mark.parametrize(
    "example", sorted(path.parent for path in EXAMPLES.glob("*/card.toml")), ids=lambda path: path.name
)
def test_an_examples_configuration_fits_its_card(example, tmp_path):
    folder = shutil.copytree(example, tmp_path / "examples" / example.name)
    (machine,) = tomllib.loads((folder / "agent.toml").read_text())["machine"].values()
    promise((folder / machine["bundle"]).resolve(), card_file.load(folder / "card.toml"))
    assert python("-m", "edge_agent", "check", folder / "agent.toml").splitlines()[-1] == "ok"
