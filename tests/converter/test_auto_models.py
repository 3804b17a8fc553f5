"""The recipe "auto" on real models, through TensorFlow and the gateway's child."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from forked import script
from sources import EXAMPLES, ROOT

from converter import convert, holdout
from converter.process import TensorFlow
from converter.recipes import RECIPES
from edge_agent import bundle

HERE = Path(__file__).parent
LINE_CARD = EXAMPLES / "line_efficiency/card.toml"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def line_auto(line: Path) -> tuple[Path, dict]:
    """The line's bundle as the command makes it, and what it printed as JSON, and its peak of memory."""
    out = line / "auto.bundle"
    code = (
        "import sys; from converter.cli import main; main(sys.argv[1:], standalone_mode=False);"
        # Not getrusage: its peak counts from before exec, when this was still a copy of the test's process.
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    options = ["convert", line / "line_efficiency.keras", "--data", line / "data.npy", "--card", LINE_CARD]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, options), "-o", str(out), "--json"],
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    return out, {**msgspec.json.decode(done.stdout), "kilobytes": int(done.stderr.splitlines()[-1])}


def test_every_recipe_is_tried_and_told_to_programs(line_auto: tuple[Path, dict]) -> None:
    path, told = line_auto
    tried = {c["recipe"]: c for c in told["candidates"]}
    assert list(tried) == list(RECIPES)
    assert [c["recipe"] for c in tried.values() if c["chosen"]] == [told["recipe"]]
    assert bundle.read(path).manifest.model.recipe == told["recipe"] == "float32"
    assert all(c["reason"] for c in tried.values())
    assert tried["int8"]["reason"].startswith("wrong by up to")
    figures = tried["int8"]["measured"]
    assert figures["comparison"]["windows"] >= holdout.FEWEST_HELD
    assert 0 < figures["latency"]["model"] < figures["latency"]["p50"] <= figures["latency"]["p99"]
    assert 20e6 < figures["rss"] < 200e6
    assert [s["input"] for s in figures["saturation"]] == [i.name for i in bundle.read(path).manifest.inputs]
    assert tried["float32"]["measured"]["saturation"] == []
    assert told["rows_held_back"] is True
    assert told["kilobytes"] < 300_000


def test_another_process_chooses_the_same_and_writes_the_same_bytes(
    line: Path, line_auto: tuple[Path, dict], line_bundles: dict
) -> None:
    steps: list[str] = []
    again = convert(
        line / "line_efficiency.keras", line / "data.npy", LINE_CARD, line / "b.bundle", progress=steps.append
    )
    assert again.sha256 == line_auto[1]["sha256"]
    assert (
        (line / "b.bundle").read_bytes()
        == line_auto[0].read_bytes()
        == line_bundles["float32"][0].read_bytes()
    )
    assert [step for step in steps if "recipe int8" in step]


def test_a_quantised_input_of_mixed_magnitudes_loses_by_its_flips(
    odd_models: Path, small_card: Path, tensorflow: TensorFlow, tmp_path: Path
) -> None:
    """b decides, but shares one scale of 256 steps with a, which is ten thousand times larger."""
    raw = np.random.default_rng(1).uniform((0, 0), (1e4, 1), size=(2000, 2))
    np.savetxt(tmp_path / "data.csv", raw, delimiter=",", header="a,b", comments="")
    small_card.write_text(small_card.read_text() + "[outputs.limits]\non = 1.0\noff = 0.9\n")
    report = convert(
        odd_models / "raw_units.keras",
        tmp_path / "data.csv",
        small_card,
        tmp_path / "x.bundle",
        max_error=2.0,
        tensorflow=tensorflow,
    )
    tried = {c.recipe: c for c in report.candidates}
    assert tried["int8"].reason.startswith("decides otherwise in")
    found = tried["int8"].measured
    assert found
    assert found.decisions
    assert found.decisions[0].flips > 0.05
    assert {s.input: s.steps < 16 for s in found.saturation} == {"a": False, "b": True}
    assert tried["mixed"].reason.startswith("with 0 of 1 layers in float still decides otherwise in")
    assert report.recipe not in {"int8", "int8_io"}
    assert report.comparison.fraction < 0.01


FORCED = """
import msgspec
from converter import recipes
from converter.process import TensorFlow
recipes.RECIPES["int8"] = msgspec.structs.replace(recipes.RECIPES["int8"], recurrent=True)
"""
"""What makes the child try int8 on a GRU, where TensorFlow 2.21 dies of a signal."""


def test_a_recipe_that_kills_tensorflow_takes_no_other_one_along(
    tmp_path: Path, small_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(HERE / "build_gru.py", tmp_path)
    small_card.write_text(small_card.read_text().replace("[[inputs]]", "window = 8\n[[inputs]]", 1))
    raw = np.random.default_rng(1).normal(size=(1500, 2))
    np.savetxt(tmp_path / "data.csv", raw, delimiter=",", header="a,b", comments="")
    (tmp_path / "sitecustomize.py").write_text(FORCED.strip())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    report = convert(tmp_path / "gru.keras", tmp_path / "data.csv", small_card, tmp_path / "x.bundle")
    tried = {c.recipe: c for c in report.candidates}
    assert list(tried) == list(RECIPES)
    assert tried["int8"].reason == "TensorFlow's process died of SIGSEGV"
    assert "not for models with GRU or LSTM" in tried["int8_io"].reason
    assert "not for models with GRU or LSTM" in tried["int16x8"].reason
    assert tried["mixed"].reason == "there is no int8 model to start from"
    assert report.recipe in {"float16", "dynamic_int8"}
    assert report.comparison.fraction <= 0.05
    assert bundle.read(tmp_path / "x.bundle").manifest.model.recipe == report.recipe
