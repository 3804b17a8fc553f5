"""Models that others trained and published, with the figures that are known of them."""

import asyncio
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from sources import DATA

from converter import convert, dataset, gateway
from converter.process import TensorFlow
from edge_agent import bundle

TURBOFAN, TINY = DATA / "cmapss", DATA / "mlperf_tiny"
WINDOW, FRAMES, BANDS = 50, 5, 128
NAMES = [*(f"setting{i}" for i in (1, 2, 3)), "cycle", *(f"s{i}" for i in range(1, 22))]

pytestmark = pytest.mark.data


WORDS = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown"]


def card(folder: Path, names: list[str], window: int, output: str) -> Path:
    path = folder / "card.toml"
    inputs = ", ".join(f'{{ name = "{name}" }}' for name in names)
    path.write_text(
        f'name = "real"\nversion = "1"\nperiod = "1s"\nwindow = {window}\ninputs = [{inputs}]\n'
        f"columns = [{', '.join(json.dumps(name) for name in (*names, 'run'))}]\n"
        f'group = "run"\n[[outputs]]\nname = "answer"\n{output}'
    )
    return path


def table(folder: Path, values: np.ndarray, run: np.ndarray) -> Path:
    np.save(folder / "data.npy", np.column_stack([values, run]))
    return folder / "data.npy"


def engines(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs as the model was trained on them, and the engine of each row."""
    training, asked = (np.loadtxt(TURBOFAN / name) for name in ("PM_train.txt", path.name))
    columns = [2, 3, 4, 1, *range(5, 26)]
    low, high = training[:, columns].min(axis=0), training[:, columns].max(axis=0)
    wide = np.where(high > low, high - low, 1)
    return (asked[:, columns] - low) / wide, asked[:, 0]


@pytest.fixture(scope="module")
def judged(tensorflow: TensorFlow, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Return what the gateway answers to the last window of each engine that has one, by model."""
    folder = tmp_path_factory.mktemp("turbofan")
    rows, engine = engines(TURBOFAN / "PM_test.txt")
    said = card(folder, NAMES, WINDOW, 'kind = "value"')
    last = [rows[engine == i][-WINDOW:] for i in np.unique(engine) if np.sum(engine == i) >= WINDOW]
    found = {"engines": np.array([i for i in np.unique(engine) if np.sum(engine == i) >= WINDOW])}
    some = engine <= 12
    for name in ("regression", "binary"):
        out = folder / f"{name}.bundle"
        data = table(folder, rows[some], engine[some])
        model = TURBOFAN / f"{name}_model.h5"
        report = convert(model, data, said, out, "float32", tensorflow=tensorflow)
        assert report.loaded_with == "tf_keras 2.21.0 (file says Keras 2.0.5)"
        assert report.comparison.fraction <= 1e-5
        read = bundle.read(out)
        asked = dataset.prepared(read.manifest, np.array(last))
        found[name] = asyncio.run(gateway.answer(read, asked))[:, 0]
        again = asyncio.run(
            gateway.answer(read, np.concatenate([asked[:1], asked[:1], asked[5:6], asked[:1]]))
        )
        assert len(set(again[[0, 1, 3], 0].tolist())) == 1
    return found


@pytest.mark.timeout(240)
def test_the_turbofan_regression_errs_as_published_through_the_gateway(judged: dict) -> None:
    left = np.loadtxt(TURBOFAN / "PM_truth.txt")[judged["engines"].astype(int) - 1]
    error = judged["regression"] - left
    assert len(left) == 93
    assert np.abs(error).mean() == pytest.approx(12.22, abs=0.01)
    assert np.sqrt((error**2).mean()) == pytest.approx(18.44, abs=0.01)


def test_the_turbofan_classifier_decides_as_published_through_the_gateway(judged: dict) -> None:
    fails_soon = np.loadtxt(TURBOFAN / "PM_truth.txt")[judged["engines"].astype(int) - 1] <= 30
    told = judged["binary"] > 0.5
    assert np.mean(told == fails_soon) == pytest.approx(0.978, abs=1e-3)
    assert fails_soon[told].mean() == pytest.approx(0.926, abs=1e-3)
    assert told[fails_soon].all()


def reconstructed(windows: np.ndarray, bias: bool) -> np.ndarray:
    """Compute the sound model in float64 from the numbers in its file."""
    with h5py.File(TINY / "ad01.h5") as file:
        weights = file["model_weights"]
        for i, name in enumerate(["dense", *(f"dense_{n}" for n in range(1, 10))]):
            dense = weights[f"{name}/{name}"]
            windows = windows @ dense["kernel:0"][...].astype(np.float64)
            if name == "dense_9":
                return windows + dense["bias:0"][...]
            following = f"batch_normalization_{i}" if i else "batch_normalization"
            norm = weights[f"{following}/{following}"]
            windows = windows + (dense["bias:0"][...] if bias else 0) - norm["moving_mean:0"][...]
            windows = windows / np.sqrt(norm["moving_variance:0"][...] + 1e-3)
            windows = np.maximum(windows * norm["gamma:0"][...] + norm["beta:0"][...], 0)
    raise AssertionError


@pytest.mark.timeout(240)
def test_the_sound_of_a_machine_is_reconstructed_as_its_weights_say(
    tensorflow: TensorFlow, tmp_path: Path
) -> None:
    """The published error, 9.7071, is that of a TFLite file without the biases before each normalisation."""
    frames = np.fromfile(TINY / "normal_id_01_00000000_hist_librosa.bin", np.float32).reshape(-1, BANDS)
    names = [f"band{i}" for i in range(BANDS)]
    out, data = tmp_path / "sound.bundle", table(tmp_path, frames, np.zeros(len(frames)))
    said = card(tmp_path, names, FRAMES, 'kind = "reconstruction_error"')
    report = convert(TINY / "ad01.h5", data, said, out, "float32", tensorflow=tensorflow)
    assert report.loaded_with == "tf_keras 2.21.0 (file says Keras 2.4.0)"
    # Keras differs from itself by 6e-5 between a batch and single rows; both are 8e-5 from float64.
    assert report.comparison.fraction <= 2e-4
    read = bundle.read(out)
    windows = np.stack([frames[i : i + FRAMES] for i in range(len(frames) - FRAMES + 1)]).astype(np.float64)
    asked = dataset.prepared(read.manifest, windows)
    assert asked.shape == (196, FRAMES * BANDS)
    answers = asyncio.run(gateway.answer(read, asked))
    exact, published = (reconstructed(asked.astype(np.float64), bias) for bias in (True, False))
    assert np.abs(answers - exact).max() <= 2e-4 * np.ptp(exact)
    assert np.mean((exact - asked) ** 2) == pytest.approx(9.4913, abs=1e-4)
    assert np.mean((answers - asked) ** 2) == pytest.approx(9.4913, abs=1e-4)
    assert np.mean((published - asked) ** 2) == pytest.approx(9.7071, abs=1e-4)


@pytest.mark.timeout(240)
def test_a_published_keyword_spotter_is_the_same_in_the_gateway(
    tensorflow: TensorFlow, tmp_path: Path
) -> None:
    rows = np.random.default_rng(1).normal(0, 40, size=(300, 10))
    names = [f"coefficient{i}" for i in range(10)]
    data, out = table(tmp_path, rows, np.zeros(300)), tmp_path / "words.bundle"
    said = card(tmp_path, names, 49, f'kind = "class"\nclasses = {json.dumps(WORDS)}')
    report = convert(TINY / "kws_saved_model", data, said, out, "float32", tensorflow=tensorflow)
    assert report.loaded_with.endswith("(SavedModel written by TensorFlow 2.3.2)")
    assert report.comparison.fraction <= 1e-5
    manifest = bundle.read(out).manifest
    assert manifest.model.inputs[0].shape == [1, 49, 10, 1]
    assert manifest.outputs[0].classes == WORDS
