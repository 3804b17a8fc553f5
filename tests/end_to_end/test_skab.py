"""Real recordings of a pump with labelled anomalies, played row by row through a real Modbus server."""

import csv

import pytest
from agent_process import AgentProcess
from chain import Site, bench, converter, gateway_scores
from sources import DATA, EXAMPLES, python

from converter import card_file, dataset, gateway
from edge_agent import bundle
from edge_agent.core.resultblock import State
from edge_agent.plant.process import PlantProcess

RECORDING = DATA / "skab" / "valve1" / "0.csv"
ROWS = range(420, 740)

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def skab(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site("skab", tmp_path_factory.mktemp("site"), "skab")
    python(EXAMPLES / "skab/train.py", "--data", RECORDING, "--out", site.build)
    model = site.build / "skab.keras"
    options = ("--data", RECORDING, "--card", site.card, "--recipe", "dynamic_int8", "-o", site.bundle)
    made = converter("convert", model, *options)
    assert made["weights"]["int8"] > 0
    return site


@pytest.mark.sockets
@pytest.mark.timeout(240)
async def test_every_score_in_the_plc_is_register_for_register_the_converters(skab):
    expected = gateway_scores(skab, RECORDING)
    seen = []
    with PlantProcess("--no-opcua", "--playback", str(RECORDING), "--step-register") as plant:
        async with bench(plant.modbus_port) as plc:
            for row in range(ROWS.start):
                await plc.turn_to(row)
            with AgentProcess(skab.live(plant.modbus_port)):
                for row in ROWS:
                    await plc.turn_to(row)
                    seen.append(await plc.answer())
    assert [frame.score for frame in seen] == expected[ROWS.start : ROWS.stop]
    assert len({frame.score for frame in seen}) > len(ROWS) // 2
    assert {frame.state for frame in seen} == {State.ADVISORY}
    with RECORDING.open(newline="", encoding="utf-8") as file:
        labels = [float(row["anomaly"]) for row in csv.DictReader(file, delimiter=";")]
    assert 100 < sum(labels[ROWS.start : ROWS.stop]) < len(ROWS) - 100


def test_the_recording_is_judged_the_same_in_a_batch_and_by_the_gateway(skab):
    found = converter("evaluate", skab.bundle, "--data", RECORDING, "--card", skab.card)
    (judged,) = found["outputs"]
    paths = judged["paths"]
    assert paths["quantised"] == paths["gateway"]
    # To always call it an anomaly has an F1 of 0.52 on this recording.
    assert paths["gateway"]["f1"] > 0.6


def test_replay_of_the_recording_gives_the_converters_scores_to_the_bit(skab, tmp_path):
    out, config = tmp_path / "rows.csv", skab.folder / "agent.toml"
    options = ("--data", RECORDING, "--card", skab.card, "--rows-are-ticks", "-o", out)
    python("-m", "edge_agent", "replay", config, *options)
    table = dataset.load(RECORDING, card_file.load(skab.card), drop_nan=False)
    courses = gateway.wait_for(gateway.tick_by_tick(bundle.read(skab.bundle), table))
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    course = courses["unlikeness"]
    assert [float(row["score"]) for row in rows] == course.scores.tolist()
    assert [row["alarm"] == "1" for row in rows] == course.alarm.tolist()


def test_the_configuration_is_in_order_once_the_bundle_is_made(skab):
    skab.check()
