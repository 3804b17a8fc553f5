"""What must not become a bundle, and that nothing is left behind when it does not."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dense_model
import msgspec
import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from forked import script
from sources import EXAMPLES, ROOT

from converter import ConverterError, compare, convert
from converter.cli import main
from converter.process import TensorFlow
from edge_agent import bundle
from edge_agent.core.manifest import Output, OutputTensor


def table(folder: Path, rows: np.ndarray, header: str = "a,b") -> Path:
    path = folder / "data.csv"
    np.savetxt(path, rows, delimiter=",", header=header, comments="")
    return path


def test_models_that_cannot_be_used_are_refused_with_the_reason(
    odd_models: Path, line_bundles: dict, tmp_path: Path
) -> None:
    floats = tmp_path / "float32.tflite"
    floats.write_bytes(bundle.read(line_bundles["float32"][0]).model)
    refusals = json.loads(script(Path(__file__).with_name("print_refusals.py"), odd_models, floats))
    assert re.fullmatch(r"TensorFlow left \d+ weights as float32, which is not int8.*", refusals.pop("int8"))
    assert refusals.keys() == {
        "any_length.keras", "lambda.h5", "lambda.keras", "pickle.h5", "text.txt",
        "truncated.h5", "truncated.keras",
    }  # fmt: skip
    assert "not a model" in refusals["text.txt"]
    assert "Lambda" in refusals["lambda.keras"]
    assert "Lambda" in refusals["lambda.h5"]
    assert "a Python pickle; loading one runs whatever code it holds" in refusals["pickle.h5"]
    assert "truncated" in refusals["truncated.h5"]
    assert "every size but the batch must be fixed" in refusals["any_length.keras"]


def test_a_refusal_ends_the_command_with_1_and_without_a_file(
    odd_models: Path, small_card: Path, few_rows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.bundle"
    done = CliRunner().invoke(
        main,
        [
            "convert",
            str(odd_models / "pickle.h5"),
            "--data",
            str(few_rows),
            "--card",
            str(small_card),
            "-o",
            str(out),
        ],
    )
    assert done.exit_code == 1
    assert "pickle.h5: a Python pickle" in done.stderr
    assert not out.exists()


def test_a_bad_card_ends_the_command_with_78(few_rows: Path, odd_models: Path, tmp_path: Path) -> None:
    card = tmp_path / "bad.toml"
    card.write_text("name = 3")
    done = CliRunner().invoke(
        main,
        [
            "convert",
            str(odd_models / "two.keras"),
            "--data",
            str(few_rows),
            "--card",
            str(card),
            "-o",
            "x.bundle",
        ],
    )
    assert done.exit_code == 78
    assert done.stderr.count(str(card)) == 5


def test_int8_on_raw_units_is_refused_with_the_figure(
    odd_models: Path, small_card: Path, tensorflow: TensorFlow, tmp_path: Path
) -> None:
    raw = np.random.default_rng(1).uniform((0, 0), (1e4, 1), size=(400, 2))
    with pytest.raises(ConverterError, match=r"the int8 model is wrong by up to .* \d+\.\d% of the output"):
        convert(
            odd_models / "raw_units.keras",
            table(tmp_path, raw),
            small_card,
            tmp_path / "x.bundle",
            "int8",
            tensorflow=tensorflow,
        )
    assert not (tmp_path / "x.bundle").exists()


def test_answers_that_are_not_finite_or_too_far_away_are_never_taken() -> None:
    manifest = dense_model.manifest(outputs=[Output(name="y", kind="value", tensor="answer")])
    right = np.linspace(0, 2, 50, dtype=np.float32)[:, None]
    with pytest.raises(ConverterError, match="answers NaN"):
        compare.compare("float32", manifest, right * np.float32(np.nan), right)
    with pytest.raises(ConverterError, match="answers 0 to every row"):
        compare.compare("float32", manifest, right * 0, right)
    for wrong in (np.nan, np.inf, 1e-3):
        converted = right.copy()
        converted[7] += wrong
        found = compare.compare("float32", manifest, right, converted)
        with pytest.raises(ConverterError, match="--max-error"):
            compare.refuse_garbage("float32", found, None)
        if np.isfinite(wrong):
            compare.refuse_garbage("float32", found, 0.01)
            compare.refuse_garbage("int8", found, None)


def test_classes_whose_numbers_are_no_probabilities_are_refused_with_the_cure() -> None:
    tensor = OutputTensor(name="answer", shape=[1, 3], tolerance=0)
    state = Output(name="state", kind="class", tensor="answer", classes=["a", "b", "c"])
    model = msgspec.structs.replace(dense_model.MANIFEST.model, outputs=[tensor])
    manifest = dense_model.manifest(outputs=[state], model=model)
    logits = np.random.default_rng(2).normal(size=(50, 3)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    compare.require_sense(manifest, shares)
    for wrong in (logits, 2 * shares, shares + np.array([1, -1, 0], np.float32)):
        with pytest.raises(ConverterError, match=r"output 'state': .* the sum 1 are needed; add a softmax"):
            compare.require_sense(manifest, wrong)


def test_data_that_cannot_be_used_is_refused_before_tensorflow_starts(
    odd_models: Path, small_card: Path, tmp_path: Path
) -> None:
    model, out = odd_models / "two.keras", tmp_path / "x.bundle"
    few = np.random.default_rng(0).normal(size=(19, 2))
    with pytest.raises(ConverterError, match="int8 needs at least 20 training windows"):
        convert(model, table(tmp_path, few), small_card, out, "int8", deadline=0)
    with pytest.raises(ConverterError, match="no column b"):
        convert(model, table(tmp_path, few, "a,c"), small_card, out, deadline=0)
    card = small_card.with_name("standard.toml")
    card.write_text(small_card.read_text() + '[[steps]]\nkind = "standardise"\n')
    few[:, 1] = 0.1
    with pytest.raises(ConverterError, match=r"steps\[0\], standardise: column b is constant"):
        convert(model, table(tmp_path, few), card, out, deadline=0)
    card.write_text(small_card.read_text().replace("[[inputs]]", "window = 30\n[[inputs]]", 1))
    with pytest.raises(ConverterError, match="no 30 rows follow each other"):
        convert(model, table(tmp_path, few), card, out, deadline=0)


def test_a_saved_model_with_a_free_batch_converts_and_warns_of_poor_data(
    odd_models: Path, small_card: Path, tensorflow: TensorFlow, tmp_path: Path
) -> None:
    data = np.random.default_rng(0).normal(size=(60, 2))
    data[:, 1] = 4
    data[7, 0] = np.nan
    out = tmp_path / "x.bundle"
    asked = (odd_models / "two_saved", table(tmp_path, data), small_card, out, "int8")
    report = convert(*asked, drop_nan=True, tensorflow=tensorflow)
    told = "\n".join(report.warnings)
    assert "input b is always 4" in told
    assert "1 rows were not finite" in told
    assert "calibrated with only" in told
    assert bundle.read(out).manifest.model.inputs[0].shape == [1, 2]
    assert report.weights == {"int8": 2 * 8 + 8}


def test_a_deadline_that_passes_ends_the_child(
    odd_models: Path, small_card: Path, few_rows: Path, tmp_path: Path
) -> None:
    before = psutil.Process().children(recursive=True)
    with pytest.raises(ConverterError, match=r"not done within 0\.2 s"):
        convert(odd_models / "two.keras", few_rows, small_card, tmp_path / "x.bundle", deadline=0.2)
    assert psutil.Process().children(recursive=True) == before
    assert not (tmp_path / "x.bundle").exists()


@pytest.fixture
def converting(
    odd_models: Path, small_card: Path, few_rows: Path, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen, psutil.Process]]:
    """A conversion in another process, and its TensorFlow child."""
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "converter.cli", "convert", str(odd_models / "two.keras"),
            "--data", str(few_rows), "--card", str(small_card), "-o", str(tmp_path / "x.bundle"),
        ],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}, cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process, child_that_loads_tensorflow(process.pid)
    finally:
        process.kill()
        process.communicate()


def child_that_loads_tensorflow(pid: int) -> psutil.Process:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for child in psutil.Process(pid).children():
            if any("tensorflow" in mapped.path for mapped in child.memory_maps()):
                return child
    raise AssertionError("no child within 60 s")


def nothing_is_left(folder: Path, child: psutil.Process) -> None:
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not list(folder.glob("*.bundle*"))
    assert not list(folder.glob(".*"))


def test_a_child_that_is_killed_fails_the_conversion(converting: tuple, tmp_path: Path) -> None:
    process, child = converting
    child.kill()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "TensorFlow's process died of SIGKILL" in told
    nothing_is_left(tmp_path, child)
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_conversion_takes_its_child_along(
    converting: tuple, tmp_path: Path, number: int
) -> None:
    process, child = converting
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 1
    nothing_is_left(tmp_path, child)
    assert not list((tmp_path / "tmp").iterdir())


def test_a_killed_conversion_takes_its_child_along(converting: tuple, tmp_path: Path) -> None:
    process, child = converting
    process.kill()
    process.communicate(timeout=30)
    nothing_is_left(tmp_path, child)


def test_there_is_no_recipe_of_another_name() -> None:
    done = CliRunner().invoke(
        main,
        ["convert", "m.keras", "--data", "d.csv", "--card", str(EXAMPLES), "--recipe", "best", "-o", "x"],
    )
    assert done.exit_code == 2
