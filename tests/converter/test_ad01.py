"""A published model on a published clip: MLPerf Tiny's machine-sound autoencoder beside their int8 file."""

from pathlib import Path

import numpy as np
import pytest
from forked import script
from sources import DATA

from edge_agent.inference.model import Model

TINY = DATA / "mlperf_tiny"

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clip's windows, float32[196, 640], Keras's answers and the converted models."""
    folder = tmp_path_factory.mktemp("ad01")
    clip = np.fromfile(TINY / "normal_id_01_00000000_hist_librosa.bin", np.float32).reshape(200, 128)
    np.save(folder / "windows.npy", np.stack([clip[i : i + 5].ravel() for i in range(196)]))
    script(
        Path(__file__).with_name("convert_ad01.py"), folder, TINY / "ad01.h5", "float32", "int8", "int8_io"
    )
    return folder


def error(model: Path, windows: np.ndarray) -> float:
    """Return the mean squared reconstruction error over the clip, by the gateway's code."""
    inference = Model(model.read_bytes())
    inference.prepare([[1, 640]], [[1, 640]])
    return float(np.square(inference.run(windows) - windows).mean())


def test_the_published_figures_of_the_published_files_come_out_here(converted: Path) -> None:
    windows = np.load(converted / "windows.npy")
    assert error(TINY / "ad01_fp32.tflite", windows) == pytest.approx(9.7071, abs=1e-3)
    assert error(TINY / "ad01_int8.tflite", windows) == pytest.approx(10.265, abs=1e-2)


def test_int8_is_nearer_to_float_than_the_published_one_and_no_larger(converted: Path) -> None:
    windows, answers = (np.load(converted / f"{name}.npy") for name in ("windows", "answers"))
    exact = float(np.square(answers - windows).mean())
    assert error(converted / "float32/model.tflite", windows) == pytest.approx(exact, rel=1e-5)
    published = error(TINY / "ad01_int8.tflite", windows) - error(TINY / "ad01_fp32.tflite", windows)
    distances = {
        name: abs(error(converted / name / "model.tflite", windows) - exact) for name in ("int8", "int8_io")
    }
    assert distances["int8"] < 0.1 * published
    assert distances["int8_io"] < published
    smallest = (converted / "int8_io/model.tflite").stat().st_size
    assert smallest <= (TINY / "ad01_int8.tflite").stat().st_size
