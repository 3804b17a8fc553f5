"""The bundle that ships with the package: what it does on the plant, and that it can be made again."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from forked import script
from sources import EXAMPLES, ROOT

from converter import dataset, decisions, gateway
from converter.dataset import Dataset
from edge_agent import bundle
from edge_agent.core.alarm import Alarm
from edge_agent.plant.faults import FaultKind
from edge_agent.plant.history import COLUMNS, rows

SHIPPED = ROOT / "edge_agent/demo/bearing.bundle"
DT = 0.1


def history(seed: int, seconds: float, kinds: list[FaultKind]) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the signals, the name of the fault and the label of every row."""
    table = list(rows(seconds, seed, DT, kinds))
    names = [i.name for i in bundle.read(SHIPPED).manifest.inputs]
    signals = np.array([[float(row[COLUMNS.index(name)]) for name in names] for row in table])
    faults = [row[COLUMNS.index("fault")] for row in table]
    return signals, faults, np.array([int(row[COLUMNS.index("label")]) for row in table])


def scores(judged: bundle.Bundle, signals: np.ndarray) -> np.ndarray:
    seen = gateway.all_windows(judged, Dataset(signals, {}, [range(len(signals))], 0))
    answers = asyncio.run(gateway.answer(judged, seen.packed))
    return decisions.courses(judged.manifest, seen, answers)["bearing_wear"].scores


def alarms(judged: bundle.Bundle, signals: np.ndarray) -> np.ndarray:
    """Return whether the alarm is active after each row."""
    (output,) = judged.manifest.outputs
    assert output.limits
    alarm = Alarm(output.limits)
    active = np.zeros(len(signals), bool)
    first = judged.manifest.window - 1
    for tick, score in enumerate(scores(judged, signals), start=first):
        alarm.step(float(score), round(tick * DT * 1e9))
        active[tick] = alarm.active
    return active


def test_it_is_small_and_speaks_of_the_plants_signals() -> None:
    assert SHIPPED.stat().st_size < 60_000
    manifest = bundle.read(SHIPPED).manifest
    assert manifest.name == "bearing"
    assert [i.name for i in manifest.inputs] == list(COLUMNS[1:9])
    assert manifest.outputs[0].limits
    assert manifest.outputs[0].limits.on_delay == 1.0


def test_an_hour_of_a_healthy_plant_with_starts_stops_and_load_changes_raises_no_alarm() -> None:
    signals, _, _ = history(31, 3600, [])
    assert signals[:, 0].min() < 10 < 1400 < signals[:, 0].max()
    assert not alarms(bundle.read(SHIPPED), signals).any()


@pytest.mark.parametrize("seed", [1, 32])
def test_wear_alarms_within_ten_seconds_and_nothing_else_does(seed: int) -> None:
    signals, faults, label = history(seed, 3600, [kind for kind in FaultKind if kind])
    active = alarms(bundle.read(SHIPPED), signals)
    begins = np.flatnonzero(np.diff(label) == 1) + 1
    assert len(begins) >= 2
    for begin in begins:
        assert active[begin : begin + 100].any()
    raised = np.flatnonzero(np.diff(active.astype(int)) == 1) + 1
    assert {faults[row] for row in raised} == {"bearing_wear"}
    assert {"cavitation", "sensor_drift", "sensor_stuck"} <= set(faults)


@pytest.mark.timeout(300)
def test_making_it_again_gives_the_same_answers_and_decisions(tmp_path: Path) -> None:
    script(EXAMPLES / "bearing/make_bundle.py", "--out", tmp_path / "again.bundle")
    shipped, again = bundle.read(SHIPPED), bundle.read(tmp_path / "again.bundle")
    asked = dataset.prepared(again.manifest, shipped.known.inputs)
    answers = asyncio.run(gateway.answer(again, asked))
    assert np.ptp(shipped.known.outputs) > 0.9
    np.testing.assert_allclose(answers, shipped.known.outputs, atol=1e-2)
    signals, _, _ = history(33, 1800, [kind for kind in FaultKind if kind])
    on = decisions.limit(shipped.manifest.outputs[0])
    said = [scores(judged, signals) >= on for judged in (shipped, again)]
    assert 0 < said[0].mean() < 1
    assert np.mean(said[0] == said[1]) >= 0.995
