"""Weights apart and trusted code, from the command line to the bundle."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from forked import script
from sources import python

from converter import ConverterError, convert
from converter.cli import main
from converter.loading import Loading
from converter.process import TensorFlow
from edge_agent import bundle

BUILD = """
import sys, keras
sys.path.insert(0, sys.argv[1])
import layers
keras.utils.set_random_seed(2)
model = keras.Sequential([keras.Input((2,)), layers.Squared(), keras.layers.Dense(1)])
open(sys.argv[1] + "/model.json", "w").write(model.to_json())
model.save_weights(sys.argv[1] + "/model.weights.h5")
"""


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apart")
    layers = (
        "import keras\nclass Squared(keras.layers.Layer):\n    def call(self, x):\n        return x * x\n"
    )
    (folder / "layers.py").write_text(layers)
    (folder / "build.py").write_text(BUILD)
    script(folder / "build.py", folder)
    return folder


def test_an_architecture_with_weights_and_trusted_code_becomes_a_bundle(
    apart: Path, few_rows: Path, small_card: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.bundle"
    told = msgspec.json.decode(
        python(
            "-m", "converter.cli", "convert", apart / "model.json", "--weights", apart / "model.weights.h5",
            "--trust-code", apart / "layers.py", "--data", few_rows, "--card", small_card, "--recipe",
            "float32", "-o", out, "--json",
        )
    )  # fmt: skip
    assert told["loaded_with"] == "Keras 3.15.1 (file says Keras 3)"
    assert told["comparison"]["fraction"] <= 1e-5
    assert bundle.read(out).manifest.model.inputs[0].shape == [1, 2]


def test_without_the_trusted_code_nothing_is_written(
    apart: Path, few_rows: Path, small_card: Path, tensorflow: TensorFlow, tmp_path: Path
) -> None:
    out = tmp_path / "x.bundle"
    loading = Loading(weights=str(apart / "model.weights.h5"))
    with pytest.raises(ConverterError, match=r"is a Squared, which Keras .* does not have; .*--trust-code"):
        convert(apart / "model.json", few_rows, small_card, out, loading=loading, tensorflow=tensorflow)
    assert not out.exists()


@pytest.mark.parametrize("option", ["--weights", "--trust-code"])
def test_a_file_that_is_not_there_is_told_before_tensorflow_starts(
    apart: Path, few_rows: Path, small_card: Path, tmp_path: Path, option: str
) -> None:
    given = [
        "convert",
        apart / "model.json",
        "--data",
        few_rows,
        "--card",
        small_card,
        "-o",
        tmp_path / "x.bundle",
    ]
    done = CliRunner().invoke(main, [str(part) for part in [*given, option, tmp_path / "nowhere"]])
    assert done.exit_code == 1
    assert "nowhere: no such file; correct --weights or --trust-code" in done.stderr
