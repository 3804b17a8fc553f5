"""Conversions end to end: a Keras model that an example trained, data, a card; a bundle comes out."""

import asyncio
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sources import EXAMPLES, python

from converter import ConverterError, convert, dataset, gateway, signing
from edge_agent import bundle
from edge_agent.trust import signer

LINE_CARD = EXAMPLES / "line_efficiency/card.toml"


def tolerance(made: bundle.Bundle) -> float:
    (tensor,) = made.manifest.model.outputs
    return tensor.tolerance


def test_each_recipe_is_measured_and_has_the_weights_it_promises(line_bundles: dict) -> None:
    for recipe, (path, report) in line_bundles.items():
        assert report.comparison.windows >= 200
        assert report.size == path.stat().st_size
        assert bundle.read(path).manifest.model.recipe == recipe
    errors = {recipe: report.comparison.fraction for recipe, (_, report) in line_bundles.items()}
    assert errors["float32"] < 1e-6
    assert errors["float32"] < errors["int8"] < 0.1
    assert list(line_bundles["float32"][1].weights) == ["float32"]
    assert list(line_bundles["int8"][1].weights) == ["int8"]
    assert line_bundles["int8"][1].weights["int8"] == 6 * 32 + 32 * 16 + 16


def test_the_manifest_says_what_the_card_and_the_data_say(line: Path, line_bundles: dict) -> None:
    manifest = bundle.read(line_bundles["float32"][0]).manifest
    data = np.load(line / "data.npy")
    assert [i.name for i in manifest.inputs] == [
        "speed",
        "temperature",
        "humidity",
        "downtime",
        "scrap",
        "operators",
    ]
    assert manifest.inputs[3].unit == "min"
    np.testing.assert_allclose([i.mean for i in manifest.inputs], data[:, :-1].mean(axis=0))
    np.testing.assert_allclose(manifest.steps[0].scale, data[:, :-1].max(axis=0))
    assert manifest.outputs[0].scale == data[:, -1].max()
    assert manifest.sequence == 1
    assert manifest.model.ops == ["FULLY_CONNECTED"]
    assert manifest.origin.tools["keras"].startswith("3.")


def test_the_known_answers_are_real_rows_and_corners_answered_by_the_gateway(
    line: Path, line_bundles: dict
) -> None:
    for path, report in line_bundles.values():
        read = bundle.read(path)
        data = np.load(line / "data.npy")[:, :-1]
        known = read.known.inputs[:, 0]
        real = [np.abs(data - row).max(axis=1).min() < 1e-4 for row in known]
        assert sum(real) >= 16
        np.testing.assert_allclose(known[-3], data.min(axis=0), rtol=1e-6)
        np.testing.assert_allclose(known[-2], data.max(axis=0), rtol=1e-6)
        np.testing.assert_allclose(known[-1], data.mean(axis=0), rtol=1e-6)
        asked = dataset.prepared(read.manifest, read.known.inputs)
        assert np.array_equal(asyncio.run(gateway.answer(read, asked)), read.known.outputs)
        assert 0 < tolerance(read) < 0.03 * np.ptp(read.known.outputs)
        apart = np.abs(read.known.originals - read.known.outputs)[:-3].max()
        assert apart <= (1e-6 if report.recipe == "float32" else 0.1) * np.ptp(read.known.originals)
        assert report.known_answers == len(known)


def test_an_int8_bundle_that_was_damaged_inside_would_be_caught_by_its_tolerance(line_bundles: dict) -> None:
    """The tolerance must be smaller than what another recipe's rounding does to the answers."""
    exact, rounded = (bundle.read(line_bundles[recipe][0]) for recipe in ("float32", "int8"))
    apart = np.abs(exact.known.outputs - rounded.known.outputs).max()
    assert tolerance(exact) < tolerance(rounded) < apart


def test_the_same_input_makes_the_same_bytes_in_another_process(line: Path, line_bundles: dict) -> None:
    path, _ = line_bundles["int8"]
    again = line / "again.bundle"
    python(
        "-m", "converter.cli", "convert", line / "line_efficiency.keras", "--data", line / "data.npy",
        "--card", LINE_CARD, "--recipe", "int8", "-o", again,
    )  # fmt: skip
    assert again.read_bytes() == path.read_bytes()


def test_converting_never_imports_tensorflow_into_the_callers_process(line_bundles: dict) -> None:
    assert line_bundles
    assert not {"tensorflow", "keras"} & sys.modules.keys()


def test_the_xor_model_is_exact_at_all_four_rows(xor: Path) -> None:
    out = xor / "xor.bundle"
    report = convert(xor / "xor.keras", xor / "xor.csv", EXAMPLES / "xor/card.toml", out, "dynamic_int8")
    known = bundle.read(out)
    answers = {
        tuple(row): float(answer)
        for row, answer in zip(known.known.inputs[:, 0].tolist(), known.known.outputs[:, 0], strict=True)
    }
    assert {row: round(answer) for row, answer in answers.items() if 0.5 not in row} == {
        (0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0,
    }  # fmt: skip
    assert report.comparison.windows == 4
    assert "no layer has 1024 weights" in report.warnings[0]
    assert report.weights == {"float32": 2 * 2 + 2}
    # Nothing was quantised, so the tolerance is that of a float model.
    assert list(report.tolerances.values()) == pytest.approx([1e-4])


def test_inspect_shows_the_bundle_to_people_and_programs(line_bundles: dict) -> None:
    path, report = line_bundles["int8"]
    shown = python("-m", "converter.cli", "inspect", path)
    assert "line-efficiency 1.0.0" in shown
    assert "humidity" in shown
    told = msgspec.json.decode(python("-m", "converter.cli", "inspect", path, "--json"))
    assert told["sha256"] == report.sha256
    assert told["manifest"]["model"]["recipe"] == "int8"


def test_a_directory_that_is_not_there_is_told_before_any_work(line: Path, tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match="does not exist"):
        convert(line / "line_efficiency.keras", line / "data.npy", LINE_CARD, tmp_path / "no/x.bundle")


def test_a_directory_that_holds_no_model_is_told_before_any_work(line: Path, tmp_path: Path) -> None:
    for model in (tmp_path, tmp_path / "nowhere.keras"):
        with pytest.raises(ConverterError, match="not a model"):
            convert(model, line / "data.npy", LINE_CARD, tmp_path / "x.bundle", deadline=0)


def test_a_bundle_is_signed_as_it_is_made(xor: Path, tmp_path: Path) -> None:
    private, _ = signing.keygen(tmp_path / "works")
    out = tmp_path / "xor.bundle"
    made = convert(
        next(xor.glob("*.keras")),
        next(xor.glob("*.csv")),
        EXAMPLES / "xor/card.toml",
        out,
        "float32",
        sign=private,
    )
    assert signer(bundle.read(out), tmp_path) == "works"
    assert made.sha256 == bundle.read(out).sha256
