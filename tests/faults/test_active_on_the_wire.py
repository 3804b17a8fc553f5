"""Mode active with a real PLC on a real wire: what is written, when, and what the PLC does without us."""

import itertools
import json
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from agent_process import INPUTS, AgentProcess, Plc, small_bundle, until
from modbus_proxy import WRITES, Proxy, free_port
from plc_line import start_plant

from edge_agent.core.tags import Reason
from edge_agent.plant.process import PlantProcess
from edge_agent.plant.registers import POINT

pytestmark = pytest.mark.sockets
OFF, ACTIVE, SETPOINT, WISH, SAFE = 0, 5, 100, 1200, 1400
BLOCK, OUTPUT = (16, 400, 20), {(6, SETPOINT, 1), (16, SETPOINT, 1)}

FRAME = """\
[machine.alpha.result]
device = "a"
table = "holding"
address = 400
"""
FIELDS = """\
[machine.alpha.result]
device = "a"
[machine.alpha.result.fields]
score = { table = "holding", address = 402, type = "int16", scale = 0.0001, missing = -32768 }
heartbeat = { table = "holding", address = 404, type = "uint16" }
state = { table = "holding", address = 405, type = "uint16" }
"""
WORD = f'name = "sp", table = "holding", address = {SETPOINT}, type = "uint16"'
RPM = f"""\
tag = {{ {WORD}, low = 1000, high = 1500 }}
raised = {WISH}
normal = {WISH}
step = 100
"""
TENS = f"""\
tag = {{ {WORD}, scale = 0.1, low = 100, high = 150 }}
raised = {WISH // 10}
normal = {WISH // 10}
step = 10
fallback = {SAFE // 10}
"""


@pytest.fixture
def plant() -> Iterator[PlantProcess]:
    with start_plant(free_port()) as plant:
        yield plant


@pytest.fixture
def proxy(plant: PlantProcess) -> Iterator[Proxy]:
    with Proxy(plant.modbus_port) as proxy:
        yield proxy


def write_config(folder: Path, port: int, mode: str, result: str = FRAME, output: str = RPM) -> Path:
    named = {n: ("input", POINT[n].address, POINT[n].type, POINT[n].order) for n in INPUTS}
    named |= {"permissive": ("discrete", 1, "bool", ""), "beat": ("input", 13, "uint16", "")}
    rows = "\n".join(
        f'  {{name = "{n}", table = "{t}", address = {a}, type = "{k}", order = "{o}"}},'
        for n, (t, a, k, o) in named.items()
    )
    inputs = ", ".join(f'{n} = "a.{n}"' for n in INPUTS)
    config = folder / f"{mode}.toml"
    config.write_text(f"""
[agent]
state = "state"
[device.a]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
scan = "100ms"
timeout = "300ms"
tags = [
{rows}
]
[machine.alpha]
bundle = "small.bundle"
mode = "{mode}"
inputs = {{ {inputs} }}
{result}[machine.alpha.permit]
permissive = "a.permissive"
heartbeat = "a.beat"
[[machine.alpha.outputs]]
device = "a"
{output}""")
    return config


def command(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent", *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout


def test_an_output_goes_to_its_value_in_steps_is_audited_and_stops_when_told(
    plant: PlantProcess, proxy: Proxy, dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    config, plc = write_config(tmp_path, proxy.port, "active"), Plc(plant.modbus_port)
    plc.write(SETPOINT, [1450])
    seen = []

    def arrived() -> bool:
        (value,) = plc.registers(SETPOINT, 1)
        if not seen or seen[-1] != value:
            seen.append(value)
        return value == WISH

    with AgentProcess(config) as agent:
        until(arrived, "the setpoint at its wish", 30)
        assert plc.frame().state == ACTIVE
        assert seen[0] == 1450
        assert all(0 < before - after <= 100 for before, after in itertools.pairwise(seen)), seen
        assert agent.machine("alpha")["denied"] == "NOTHING"
        command("stop-writing", config)
        time.sleep(0.3)
        stood, asked = plc.frame().heartbeat, len(proxy.requests)
        plc.write(SETPOINT, [1300])
        until(lambda: len(proxy.requests) > asked + 10, "reading goes on")
        assert (plc.frame().heartbeat, plc.registers(SETPOINT, 1)) == (stood, [1300])
        until(lambda: plc.registers(50, 1, table="input") == [2], "the PLC's own fallback")
        assert agent.machine("alpha")["denied"] == "STOPPED"
        command("resume-writing", config)
        until(arrived, "the setpoint from where the PLC had put it", 30)
        assert agent.terminate() == 0
        assert (plc.frame().state, plc.frame().reason) == (OFF, Reason.STOPPED)
        assert plc.registers(SETPOINT, 1) == [WISH], "without a fallback the value stays"
    assert proxy.writes <= {BLOCK, *OUTPUT}
    assert command("audit", "verify", config).endswith("the audit is whole\n")


def test_advisory_writes_the_block_and_not_the_output(
    plant: PlantProcess, proxy: Proxy, dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    plc = Plc(plant.modbus_port)
    with AgentProcess(write_config(tmp_path, proxy.port, "advisory")) as agent:
        until(lambda: plc.frame().state == 4, "results")
        until(lambda: len(proxy.requests) > 100, "a hundred requests")
        assert agent.terminate() == 0
    assert proxy.writes == {BLOCK}


def test_a_plc_without_frames_gets_single_fields_and_a_scaled_output(
    plant: PlantProcess, proxy: Proxy, dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    config = write_config(tmp_path, proxy.port, "active", FIELDS, TENS)
    plc = Plc(plant.modbus_port)
    plc.write(SETPOINT, [1450])
    with AgentProcess(config) as agent:
        until(lambda: plc.registers(SETPOINT, 1) == [WISH], "the setpoint at its wish", 30)
        assert plc.registers(405, 1) == [ACTIVE]
        # The two are asked one after the other, so a cycle may come between.
        until(
            lambda: abs(plc.registers(402, 1)[0] / 10_000 - agent.machine("alpha")["score"]) <= 5e-5, "score"
        )
        (beat,) = plc.registers(404, 1)
        until(lambda: plc.registers(404, 1)[0] != beat, "the heartbeat")
        assert agent.machine("alpha")["writes"]["read back different"] == 0
        assert not agent.machine("alpha")["latched"]
        assert agent.terminate() == 0
        assert plc.registers(402, 1) == [0x8000], "no result is no number"
        assert plc.registers(405, 1) == [OFF]
        assert plc.registers(SETPOINT, 1) == [SAFE]
        to = [struct.unpack(">H", pdu[1:3])[0] for pdu in proxy.requests if pdu[0] in WRITES]
        assert to[::-1].index(404) < to[::-1].index(SETPOINT), "while the block still says that it writes"
    with closing(sqlite3.connect(tmp_path / "state" / "history.db")) as history:
        (entry,) = history.execute("SELECT entry FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    assert json.loads(entry)["why"] == "fallback, NO_RESULT, STOPPED"
    assert {address for _, address, _ in proxy.writes} == {402, 404, SETPOINT}


def test_after_kill_9_the_plc_falls_back_by_itself(
    plant: PlantProcess, proxy: Proxy, dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    plc = Plc(plant.modbus_port)
    with AgentProcess(write_config(tmp_path, proxy.port, "active")) as agent:
        until(lambda: plc.frame().state == ACTIVE, "writing", 30)
        agent.process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: plc.registers(50, 1, table="input") == [2], "the PLC's own fallback")
        print(f"kill -9 to fallback: {time.monotonic() - killed:.1f} s; the PLC's timeout is 2 s")
