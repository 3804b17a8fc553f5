"""Models that go row by row: exact, in a bundle, on a machine; and those that cannot, with the reason."""

import json
from pathlib import Path

import pytest
from forked import script

from converter import ConverterError, convert, evaluate
from converter.process import TensorFlow
from edge_agent import bundle
from edge_agent.plant.registers import SIGNALS

EXACT = ["keras2_row_by_row", "keras2_sequences", "keras3_row_by_row", "keras3_sequences"]
LEAVE = "leave `streaming` out of the card"
CANNOT = {
    "around": ("layer 'add' is not next in a chain of layers", "only a chain of layers goes row by row"),
    "both_ways": ("goes backwards or is inside another", "only a chain of layers goes row by row"),
    "once": ("not one answer for each row", "exact on whole windows only"),
    "across": ("answers row by row are off by", "some layer looks at other rows than its own"),
    "stateless": ("has no GRU, LSTM or SimpleRNN", "there is no state to keep"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("streaming")
    script(Path(__file__).with_name("build_streaming.py"), made)
    return made


@pytest.fixture(scope="module")
def stepped(folder: Path) -> dict:
    printed = script(Path(__file__).with_name("step_models.py"), folder)
    return json.loads(printed.splitlines()[-1])


@pytest.fixture(scope="module")
def card(folder: Path) -> Path:
    inputs = "".join(f'[[inputs]]\nname = "{name}"\n' for name in SIGNALS)
    path = folder / "card.toml"
    path.write_text(
        'name = "pump"\nversion = "1"\nperiod = "1s"\nwindow = 20\nstreaming = true\n'
        f'{inputs}[[steps]]\nkind = "standardise"\n'
        '[[outputs]]\nname = "vibration"\nkind = "value"\nelement = 0\n'
    )
    return path


@pytest.mark.parametrize("name", EXACT)
def test_a_thousand_rows_one_by_one_are_answered_as_by_the_model_itself(stepped: dict, name: str) -> None:
    assert stepped[f"{name}.keras"]["predicted"] <= 1e-6
    assert stepped[f"{name}.keras"]["stepped"] <= 1e-6


@pytest.mark.parametrize("name", CANNOT)
def test_what_is_not_exact_row_by_row_is_refused_with_the_reason(stepped: dict, name: str) -> None:
    told = stepped[f"{name}.keras"]
    assert all(part in told for part in (*CANNOT[name], LEAVE))


def test_a_stateful_model_becomes_a_bundle_whose_machine_keeps_the_state(
    folder: Path, card: Path, tensorflow: TensorFlow
) -> None:
    out, model = folder / "pump.bundle", folder / "keras3_row_by_row.keras"
    report = convert(model, folder / "rows.csv", card, out, "float32", tensorflow=tensorflow)
    made = bundle.read(out).manifest.model
    assert (made.state, made.input_size, made.output_size) == (2 * 16 + 8, 20 * len(SIGNALS), 2)
    assert report.comparison.fraction <= 1e-5
    found = evaluate(out, folder / "rows.csv", model=model)
    assert found.windows == 1000 - 19


def test_no_state_is_calibrated_to_int8(folder: Path, card: Path, tensorflow: TensorFlow) -> None:
    asked = (folder / "keras3_sequences.keras", folder / "rows.csv", card, folder / "x.bundle")
    with pytest.raises(ConverterError, match="int8 is not for models with GRU or LSTM"):
        convert(*asked, "int8", tensorflow=tensorflow)
    assert not (folder / "x.bundle").exists()


def test_without_streaming_in_the_card_a_row_at_a_time_is_refused(
    folder: Path, card: Path, tensorflow: TensorFlow
) -> None:
    windowed = card.with_name("windowed.toml")
    windowed.write_text(
        card.read_text().replace("streaming = true\n", "").replace("window = 20", "window = 1")
    )
    asked = (folder / "keras3_row_by_row.keras", folder / "rows.csv", windowed, folder / "x.bundle")
    with pytest.raises(
        ConverterError, match=r"takes one row in a call: .* write streaming = true in the card"
    ):
        convert(*asked, "float32", tensorflow=tensorflow)
