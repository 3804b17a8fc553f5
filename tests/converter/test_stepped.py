"""A model whose features are made by steps: they are those of the training script, and of the gateway."""

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from forked import script
from rich.console import Console

from converter import ConverterError, card_file, convert, dataset, evaluate, gateway
from converter.process import TensorFlow
from converter.report import show_bundle
from edge_agent import bundle
from edge_agent.core.preparation import Preparation

CARD = """
name = "stepped"
version = "1"
period = "1min"
window = 4
max_gap = "2min"
min_good = 0.5
group = "pump"
time = "when"

[[inputs]]
name = "vib"
unit = "mm/s"
fill = "pchip"

[[inputs]]
name = "power"
unit = "kW"
max_age = "2min"

[[constants]]
name = "rated"
unit = "kW"

[[steps]]
kind = "rolling_rms"
columns = ["vib"]
rows = 5
suffix = "_rms"

[[steps]]
kind = "clip"
columns = ["vib"]

[[steps]]
kind = "ratio"
columns = ["power"]
by = "rated"
floor = 1.0

[[steps]]
kind = "calendar"
parts = ["hour"]

[[steps]]
kind = "select"
columns = ["vib", "power", "vib_rms", "hour_sin", "hour_cos"]

[[steps]]
kind = "standardise"
columns = ["vib", "power", "vib_rms"]

[[outputs]]
name = "worn"
kind = "probability"
limits = { on = 0.7, off = 0.3, on_delay = "2min" }
"""


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory, tensorflow: TensorFlow) -> Path:
    """A folder with the model, its data, and the bundle made of both."""
    folder = tmp_path_factory.mktemp("stepped")
    script(Path(__file__).with_name("build_stepped.py"), folder)
    (folder / "card.toml").write_text(CARD)
    model, data, card = folder / "stepped.keras", folder / "data.csv", folder / "card.toml"
    convert(model, data, card, folder / "stepped.bundle", "float32", tensorflow=tensorflow)
    return folder


def test_the_steps_are_in_the_bundle_with_the_numbers_of_the_training_rows(stepped: Path) -> None:
    manifest = bundle.read(stepped / "stepped.bundle").manifest
    kinds = [step["type"] for step in msgspec.to_builtins(manifest)["steps"]]
    assert kinds == ["rolling_rms", "clip", "ratio", "calendar", "select", "affine"]
    assert Preparation(manifest).span == 4 + 4
    assert [i.fill for i in manifest.inputs] == ["pchip", "hold"]
    assert [i.max_age for i in manifest.inputs] == [None, 120]
    assert [(c.name, c.min, c.max) for c in manifest.constants] == [("rated", 55, 75)]
    assert manifest.min_good == 0.5
    vib = np.genfromtxt(stepped / "data.csv", delimiter=",", skip_header=1, usecols=2)
    assert (manifest.steps[1].low, manifest.steps[1].high) == ([vib.min()], [vib.max()])


def test_the_known_answers_have_the_rows_that_the_steps_remember(stepped: Path) -> None:
    read = bundle.read(stepped / "stepped.bundle")
    assert read.known.inputs.shape[1:] == (8, 4), "window and memory; vib, power, rated, time"
    assert np.abs(read.known.outputs - read.known.originals).max() < 1e-4


def test_keras_the_bundle_and_the_gateway_say_the_same(stepped: Path) -> None:
    found = evaluate(
        stepped / "stepped.bundle",
        stepped / "data.csv",
        card=stepped / "card.toml",
        model=stepped / "stepped.keras",
    )
    assert found.windows == 2 * (400 - 7)
    paths = found.outputs[0].paths
    assert paths["gateway"] == paths["quantised"], "bit for bit, or evaluate would have failed"
    assert paths["keras"]["accuracy"] == paths["gateway"]["accuracy"] > 0.7


def test_what_the_training_script_computed_is_what_the_gateway_answers(stepped: Path) -> None:
    """The script's own numpy and the steps agree in every window, not only in the metrics."""
    read = bundle.read(stepped / "stepped.bundle")
    rows = dataset.load(stepped / "data.csv", card_file.load(stepped / "card.toml"), drop_nan=False)
    scores = gateway.wait_for(gateway.tick_by_tick(read, rows))["worn"].scores
    np.testing.assert_allclose(scores, np.load(stepped / "answers.npy"), atol=1e-5)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('group = "pump"\n', "", "column 'rated' changes in a run, as no constant does"),
        ("rows = 5", "rows = 400", "no 403 rows follow each other, which one window and its steps need"),
        ("rows = 5", "rows = 500", "no run of training rows is as long as the steps before it need"),
    ],
)
def test_data_that_does_not_fit_the_steps_is_told(
    stepped: Path, tmp_path: Path, before: str, after: str, told: str
) -> None:
    (tmp_path / "card.toml").write_text(CARD.replace(before, after))
    with pytest.raises(ConverterError, match=told):
        convert(
            stepped / "stepped.keras",
            stepped / "data.csv",
            tmp_path / "card.toml",
            tmp_path / "x.bundle",
            "float32",
            deadline=0,
        )


def test_inspect_shows_the_steps_and_the_constants(stepped: Path) -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    show_bundle(bundle.read(stepped / "stepped.bundle"), console)
    told = console.export_text()
    assert "constant of the machine: rated, 55 to 75 kW in training" in told
    assert "step: rolling_rms columns ['vib'], suffix _rms, rows 5\n" in told
    assert "step: calendar parts ['hour'], utc_offset 0.0\n" in told
