"""Models of several inputs and outputs, end to end: no tensor is ever taken for another."""

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest
from forked import script

from converter import ConverterError, convert, evaluate, gateway
from converter.dataset import Dataset
from converter.process import TensorFlow
from edge_agent import bundle

HEAD = 'name = "several"\nversion = "1"\nsequence = 7\nperiod = "1s"\nwindow = 4\n'
PAIR = """
[[inputs]]
name = "a"
tensor = "zulu"
[[inputs]]
name = "c"
tensor = "alpha"
[[inputs]]
name = "b"
tensor = "zulu"
[[inputs]]
name = "d"
tensor = "alpha"
"""
RISK = '[[outputs]]\nname = "risk"\nkind = "probability"\ntensor = "risk"\n'
HEAT = '[[outputs]]\nname = "heat"\nkind = "value"\ntensor = "heat"\nunit = "K"\n'
LIMITS = "[outputs.limits]\non = 0.6\noff = 0.4\n"
STATES = """
[[inputs]]
name = "a"
tensor = "signals"
unit = "mm/s"
[[inputs]]
name = "b"
tensor = "signals"
[[inputs]]
name = "c"
tensor = "now"
[[inputs]]
name = "d"
tensor = "now"

[[outputs]]
name = "state"
kind = "class"
tensor = "state"
classes = ["low", "middle", "high"]
normal = "low"
[outputs.limits]
on = 0.9
off = 0.5

[[outputs]]
name = "ahead"
kind = "forecast"
tensor = "ahead"
of = "a"
horizon = 2
[outputs.limits]
on = 0.7
off = 0.3
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    script(Path(__file__).with_name("build_several.py"), folder)
    return folder


def card(folder: Path, *parts: str) -> Path:
    path = folder / "card.toml"
    path.write_text(HEAD + "".join(parts))
    return path


def ticked(path: Path, known: dict[str, np.ndarray], columns: list[int]) -> dict[str, np.ndarray]:
    """The value of each output at every window, row by row through the agent's pipeline and child."""
    rows = np.ascontiguousarray(known["table"][:, columns])
    data = Dataset(rows, {}, [range(len(rows))], 0)
    return {name: c.values for name, c in asyncio.run(gateway.tick_by_tick(bundle.read(path), data)).items()}


@pytest.mark.parametrize(
    ("model", "expected"), [("pair.keras", "pair"), ("pair2.h5", "pair2"), ("pair_saved", "pair")]
)
def test_two_inputs_and_two_outputs_of_one_shape_are_never_swapped(
    several: Path, tensorflow: TensorFlow, tmp_path: Path, model: str, expected: str
) -> None:
    known, out = np.load(several / "answers.npz"), tmp_path / "pair.bundle"
    said = card(tmp_path, PAIR, RISK, HEAT)
    if model == "pair_saved":  # Keras names the outputs of what it exports by their places
        text = said.read_text().replace('tensor = "risk"', 'tensor = "output_0"')
        said.write_text(text.replace('tensor = "heat"', 'tensor = "output_1"'))
    report = convert(several / model, several / "data.csv", said, out, "float32", tensorflow=tensorflow)
    values = ticked(out, known, [0, 2, 1, 3])
    right = known[expected]
    assert np.abs(right[:, 0] - right[:, 1]).max() > 1, "else a swap would not show"
    np.testing.assert_allclose(values["risk"], right[:, 0], atol=1e-5)
    np.testing.assert_allclose(values["heat"], right[:, 1], atol=1e-4)
    assert [e.output for e in report.comparison.outputs] == ["risk", "heat"]
    assert all(e.fraction < 1e-5 for e in report.comparison.outputs)
    read = bundle.read(out)
    by_name = {t.name: t.columns for t in read.manifest.model.inputs}
    assert by_name == {"zulu": ["a", "b"], "alpha": ["c", "d"]}
    assert read.manifest.sequence == 7


def test_every_recipe_keeps_the_tensors_apart(several: Path, tensorflow: TensorFlow, tmp_path: Path) -> None:
    """A swap would be wrong by a good part of the range on average; rounding is not."""
    out = tmp_path / "pair.bundle"
    said = card(tmp_path, PAIR, RISK, LIMITS, HEAT)
    asked = (several / "pair.keras", several / "data.csv", said, out)
    report = convert(*asked, html=tmp_path / "report.html", tensorflow=tensorflow)
    measured = {c.recipe: c.measured for c in report.candidates if c.measured}
    assert {"float32", "int8", "int8_io", "int16x8"} <= measured.keys()
    for recipe, found in measured.items():
        for error in found.comparison.outputs:
            assert error.mean_error < 0.02 * error.range, (recipe, error)
        assert [d.output for d in found.decisions] == ["risk"]
        if recipe == "int8_io":
            assert sorted(s.input for s in found.saturation) == ["a", "b", "c", "d"]
    risk, heat = bundle.read(out).manifest.outputs
    assert 0 <= risk.min < risk.max <= 1
    assert heat.min < -1 < 1 < heat.max


def test_the_original_is_asked_by_name_when_a_bundle_is_evaluated(
    several: Path, tensorflow: TensorFlow, tmp_path: Path
) -> None:
    out, said = tmp_path / "pair.bundle", card(tmp_path, PAIR, RISK, HEAT)
    convert(several / "pair.keras", several / "data.csv", said, out, "float32", tensorflow=tensorflow)
    found = evaluate(out, several / "data.csv", card=said, model=several / "pair.keras")
    risk, heat = found.outputs
    assert (risk.output, risk.threshold, heat.kind, heat.threshold) == ("risk", 0.5, "value", None)
    for judged, metric in ((risk, "roc_auc"), (heat, "rmse")):
        before, after = (judged.paths[path][metric] for path in ("keras", "gateway"))
        assert before == pytest.approx(after, rel=1e-3)
    (alone,) = evaluate(out, several / "data.csv", card=card(tmp_path, PAIR, HEAT)).outputs
    assert alone == msgspec.structs.replace(heat, paths={**alone.paths})
    with pytest.raises(ConverterError, match=r"its tensors are .* those of the bundle .*"):
        evaluate(out, several / "data.csv", card=said, model=several / "states.keras")


def test_a_class_and_a_forecast_are_what_the_model_says(
    several: Path, tensorflow: TensorFlow, tmp_path: Path
) -> None:
    known, out = np.load(several / "answers.npz"), tmp_path / "states.bundle"
    said = card(tmp_path, STATES)
    report = convert(
        several / "states.keras", several / "data.csv", said, out, "float32", tensorflow=tensorflow
    )
    values = ticked(out, known, [0, 1, 2, 3])
    assert np.array_equal(values["state"], known["state"].argmax(axis=1))
    assert 0 < np.mean(values["state"] == 1) < 1
    np.testing.assert_allclose(values["ahead"], known["ahead"][:, 0], atol=1e-5)
    read = bundle.read(out)
    assert [t.shape for t in read.manifest.model.inputs] == [[1, 2], [1, 4, 2]]
    assert read.manifest.outputs[1].unit == "mm/s"
    assert "SOFTMAX" in read.manifest.model.ops
    assert read.known.outputs.shape == read.known.originals.shape == (report.known_answers, 4)
    np.testing.assert_allclose(read.known.outputs, read.known.originals, atol=1e-5)
    state, ahead = evaluate(out, several / "data.csv", card=said).outputs
    assert state.paths["gateway"]["accuracy"] > 0.6
    residual = known["table"][known["ends"][:-2] + 2, 0] - known["ahead"][:-2, 0]
    assert ahead.paths["gateway"]["rmse"] == pytest.approx(np.sqrt(np.mean(residual**2)), rel=1e-4)
