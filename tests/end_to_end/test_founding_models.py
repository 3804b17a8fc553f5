"""The two founding models: trained, converted, judged, and run beside a PLC."""

import struct
from pathlib import Path

import pytest
from agent_process import AgentProcess
from chain import Site, bench, converter, gateway_scores
from sources import EXAMPLES, python

from edge_agent.core.resultblock import State
from edge_agent.plant.process import PlantProcess

ROWS = 30
XOR = [0, 1, 1, 0]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site("line_efficiency", tmp_path_factory.mktemp("site"), "line")
    python(EXAMPLES / "line_efficiency/train.py", "--out", site.build)
    model, data = site.build / "line_efficiency.keras", site.build / "data.npy"
    converter("convert", model, "--data", data, "--card", site.card, "-o", site.bundle)
    return site


@pytest.fixture(scope="module")
def xor(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site("xor", tmp_path_factory.mktemp("site"), "xor")
    python(EXAMPLES / "xor/train.py", "--out", site.build)
    data = site.build / "xor.csv"
    converter("convert", site.build / "xor.keras", "--data", data, "--card", site.card, "-o", site.bundle)
    return site


def playing(recording: Path) -> PlantProcess:
    return PlantProcess("--no-opcua", "--playback", str(recording), "--step-register")


@pytest.mark.sockets
async def test_the_efficiency_in_the_plc_is_bit_for_bit_what_the_converter_measured(line):
    expected = gateway_scores(line, line.build / "line.csv")
    with playing(line.build / "line.csv") as plant, AgentProcess(line.live(plant.modbus_port)):
        async with bench(plant.modbus_port) as plc:
            await plc.turn_to(0)
            seen = [await plc.answer()]
            for row in range(1, ROWS):
                await plc.turn_to(row)
                seen.append(await plc.answer())
    assert [frame.score for frame in seen] == expected[:ROWS]
    assert len(set(expected[:ROWS])) > ROWS // 2
    assert {frame.state for frame in seen} == {State.ADVISORY}


@pytest.mark.sockets
async def test_the_plc_is_told_xor_of_its_two_inputs(xor):
    expected = gateway_scores(xor, xor.build / "xor.csv")
    with playing(xor.build / "xor.csv") as plant, AgentProcess(xor.live(plant.modbus_port)):
        async with bench(plant.modbus_port) as plc:
            seen = []
            for row in range(4):
                await plc.turn_to(row)
                seen.append(await plc.answer())
    scores = [struct.unpack(">f", struct.pack(">2H", *frame.score))[0] for frame in seen]
    assert [round(score) for score in scores] == XOR
    assert [frame.alarm for frame in seen] == XOR
    assert [frame.score for frame in seen] == expected


def test_the_line_is_judged_the_same_in_a_batch_and_by_the_gateway_and_by_folds(line):
    model, data = line.build / "line_efficiency.keras", line.build / "data.npy"
    train = EXAMPLES / "line_efficiency/train.py"
    found = converter(
        *("evaluate", line.bundle, "--data", data, "--card", line.card, "--model", model),
        *("--kfold", 2, "--train", f"{train}:build"),
    )
    (judged,) = found["outputs"]
    paths, folds = judged["paths"], judged["folds"]
    assert list(paths) == ["keras", "quantised", "gateway"]
    assert all(set(metrics) == {"mse", "rmse", "mae", "r2"} for metrics in [*paths.values(), *folds])
    assert paths["quantised"] == paths["gateway"]
    assert paths["gateway"]["r2"] == pytest.approx(paths["keras"]["r2"], abs=0.001)
    assert paths["keras"]["r2"] > 0.8
    assert len(folds) == 2
    # Trained without them, a model is a little worse on rows, never as good as chance.
    assert all(0.7 < fold["r2"] < 1 for fold in folds)


def test_xor_is_judged_perfect_three_ways_and_by_folds(xor):
    said = python(
        *("-m", "converter.cli", "evaluate", xor.bundle, "--card", xor.card),
        *("--data", xor.build / "xor.csv", "--model", xor.build / "xor.keras"),
        *("--kfold", 2, "--train", f"{EXAMPLES / 'xor/train.py'}:build"),
    )
    cells = [line.strip("┃│").replace("┃", "│").split("│") for line in said.splitlines() if line[0] in "┃│"]
    table = {name.strip(): [cell.strip() for cell in rest] for name, *rest in cells}
    assert table["metric"] == ["keras", "quantised", "gateway", "2 folds, mean ± std"]
    for metric in ("accuracy", "precision", "recall", "f1"):
        assert table[metric][:3] == ["1", "1", "1"]
    # Half of XOR's rows do not tell the other half: no fold can know what it was not shown.
    assert float(table["accuracy"][3].split()[0]) < 1


def test_the_examples_configurations_are_in_order_once_their_bundles_are_made(line, xor):
    line.check()
    xor.check()
