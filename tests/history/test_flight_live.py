"""The flight recorder of an agent that runs: it has what the machines took, cycle by cycle."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from agent_process import INPUTS, AgentProcess, Plc, small_bundle, until
from modbus_proxy import Proxy, free_port
from plc_line import ADVISORY, device, machine, start_plant

from edge_agent.history.flight import read_flight, thoughts

pytestmark = pytest.mark.sockets


def results(state: Path) -> list[tuple[int, list[float | None], str]]:
    with closing(sqlite3.connect(state / "history.db")) as connection:
        found = connection.execute("SELECT monotonic, inputs, reason FROM result ORDER BY id").fetchall()
    return [(now, json.loads(inputs), reason) for now, inputs, reason in found]


def test_a_recording_has_what_every_result_was_made_of(dense_tflite: bytes, tmp_path: Path) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    with start_plant(free_port()) as plant, Proxy(plant.modbus_port) as proxy:
        config = tmp_path / "c.toml"
        text = '[agent]\nstate = "state"\n' + device("a", proxy.port) + machine("alpha", "a", "a")
        config.write_text(text, encoding="utf-8")
        plc = Plc(plant.modbus_port)
        with AgentProcess(config) as agent:
            until(lambda: plc.frame().state == ADVISORY, "results")
            proxy.mangle = lambda request, frame: b""
            until(lambda: agent.machine("alpha")["reason"] not in ("NONE", "WARMING_UP"), "no answers")
            proxy.mangle = None
            until(lambda: agent.machine("alpha")["reason"] == "NONE", "results again")
            assert agent.terminate() == 0
        took = [t for _, t in thoughts(read_flight(agent.state / "flight"))]
    kept = results(agent.state)
    assert [t.now for t in took] == [now for now, _, _ in kept]
    assert len({reason for _, _, reason in kept}) > 2, "good and bad times"
    order = [f"a.{name}" for name in INPUTS]
    (block, *_) = read_flight(agent.state / "flight")
    rows = [block.layout.tags.index(tag) for tag in order]
    for thought, (_, inputs, _) in zip(took, kept, strict=True):
        value = thought.image.value[rows]
        np.testing.assert_allclose(value, np.array(inputs, np.float64), rtol=1e-8)
        assert (thought.image.quality[rows] == 0).tolist() == np.isnan(value).tolist()
