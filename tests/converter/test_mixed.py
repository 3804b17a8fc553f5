"""What int8 costs layer by layer, and the recipe that keeps the dearest layers in float."""

import io
import json
from pathlib import Path

import pytest
from forked import script
from rich.console import Console

from converter import Report, convert
from converter.auto import Measured
from converter.process import TensorFlow
from converter.report import show_report
from edge_agent import bundle

CARD = """
name = "wild"
version = "1"
period = "1s"
inputs = [{ name = "a" }, { name = "b" }, { name = "c" }]
outputs = [{ name = "y", kind = "value" }]
"""


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wild")
    told = script(Path(__file__).with_name("build_mixed.py"), folder)
    (folder / "told.json").write_text(told.splitlines()[-1])
    (folder / "card.toml").write_text(CARD)
    return folder


@pytest.fixture(scope="module")
def tried(wild: Path, tensorflow: TensorFlow) -> Report:
    asked = (wild / "wild.keras", wild / "wild.csv", wild / "card.toml", wild / "wild.bundle")
    return convert(*asked, "mixed", html=wild / "wild.html", tensorflow=tensorflow)


def measured(report: Report, recipe: str) -> Measured:
    [found] = (c.measured for c in report.candidates if c.recipe == recipe)
    assert found, recipe
    return found


def test_a_model_that_int8_ruins_is_within_the_budget_with_its_dearest_layers_in_float(
    wild: Path, tried: Report
) -> None:
    mixed = measured(tried, "mixed")
    assert measured(tried, "int8").comparison.fraction > 0.2
    assert mixed.comparison.fraction <= 0.05
    assert mixed.size < 0.6 * json.loads((wild / "told.json").read_text())["float_bytes"]
    assert mixed.weights["int8"] >= 2 * 64 * 64
    assert 0 < len(mixed.floats) <= 3


def test_what_a_layer_costs_is_measured_and_the_dearest_are_those_of_the_normalisation(tried: Report) -> None:
    found = tried.sensitivity
    assert found
    assert found.left_out == 0
    errors = [layer.error for layer in found.layers]
    assert errors == sorted(errors, reverse=True)
    assert [layer.name.startswith("normalization") for layer in found.layers[:3]] == [True, True, False]
    assert errors[1] > 0.2 > 0.1 > errors[2]
    assert sum(layer.constants for layer in found.layers) == 3 + 3 + 3 * 64 + 2 * 64 * 64 + 64
    assert (
        measured(tried, "mixed").floats
        == [layer.tensor for layer in found.layers][: len(measured(tried, "mixed").floats)]
    )


def test_the_page_shows_what_each_layer_costs_and_which_stayed_in_float(wild: Path, tried: Report) -> None:
    page = (wild / "wild.html").read_text()
    assert tried.sensitivity
    assert page.count('<td class="text">float</td>') == len(measured(tried, "mixed").floats)
    assert "What int8 costs layer by layer" in page
    assert ">normalization_1 MUL<" in page


def test_the_terminal_names_the_layers_that_stayed_in_float(tried: Report) -> None:
    printed = io.StringIO()
    show_report(tried, Console(width=120, file=printed))
    [line] = [line for line in printed.getvalue().splitlines() if line.startswith("in float")]
    assert "normalization_1 SUB" in line
    assert line.count("FULLY_CONNECTED") == len(measured(tried, "mixed").floats) - 2


def test_asked_for_by_name_it_is_the_bundle_and_compared_with_int8(wild: Path, tried: Report) -> None:
    made = bundle.read(wild / "wild.bundle").manifest.model
    assert tried.recipe == made.recipe == "mixed"
    assert {"SUB", "MUL", "QUANTIZE", "FULLY_CONNECTED"} <= set(made.ops)
    assert [(c.recipe, c.chosen) for c in tried.candidates] == [("int8", False), ("mixed", True)]
    assert tried.candidates[0].reason.startswith("wrong by up to")
    assert tried.model_size == measured(tried, "mixed").size


def test_of_many_layers_the_largest_are_measured_and_a_budget_that_cannot_be_met_is_told(wild: Path) -> None:
    told = json.loads((wild / "told.json").read_text())
    assert told["measured"] == ["FULLY_CONNECTED", "FULLY_CONNECTED"]
    assert told["left_out"] == 4
    assert told["said"] == "with 2 of 6 layers in float still decides otherwise"
    assert told["float_error"] < 1e-5
