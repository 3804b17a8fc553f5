"""The poll budget beside what a running agent sends: a proxy counts every request of a cycle."""

import json
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from agent_process import INPUTS, AgentProcess, Plc, small_bundle, until
from modbus_proxy import Proxy, free_port
from plc_line import start_plant

from edge_agent.plant.registers import POINT

pytestmark = pytest.mark.sockets
ACTIVE, HEARTBEAT, SETPOINT = 5, 401, 100
CYCLES, PERIOD = 20, 0.1


def configured(folder: Path, port: int, device: str) -> Path:
    """One device whose output takes a step in every cycle, for longer than the test looks at it."""
    points = [(name, POINT[name]) for name in INPUTS]
    rows = [
        *(
            f'{n}", table = "input", address = {p.address}, type = "{p.type}", order = "{p.order}" }}'
            for n, p in points
        ),
        'permissive", table = "discrete", address = 1, type = "bool" }',
        'beat", table = "input", address = 13, type = "uint16" }',
    ]
    config = folder / "agent.toml"
    config.write_text(f"""
[agent]
state = "state"
[device.a]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
scan = "100ms"
timeout = "2s"
{device}
tags = [ {", ".join('{ name = "' + row for row in rows)} ]
[machine.alpha]
bundle = "small.bundle"
mode = "active"
inputs = {{ {", ".join(f'{name} = "a.{name}"' for name in INPUTS)} }}
[machine.alpha.result]
device = "a"
table = "holding"
address = 400
[machine.alpha.permit]
permissive = "a.permissive"
heartbeat = "a.beat"
timeout = "10s"
cycles = 1
[[machine.alpha.outputs]]
device = "a"
tag = {{ name = "sp", table = "holding", address = {SETPOINT}, type = "uint16", low = 1000, high = 1500 }}
raised = 1000
normal = 1000
step = 1
""")
    return config


def budgeted(config: Path) -> tuple[float, dict[str, tuple[int, int]]]:
    """Requests a second of the link, and by how many requests each is written and read back."""
    command = [sys.executable, "-m", "edge_agent", "check", "--json", str(config)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)["budget"]
    (link,) = told["links"]
    return link["requests"], {line["name"]: (line["writes"], line["reads"]) for line in told["writes"]}


def written(pdu: bytes) -> range:
    """The holding registers that a request writes."""
    function, first, count = struct.unpack(">BHH", pdu[:5])
    if function == 23:
        first, count = struct.unpack(">HH", pdu[5:9])
    return range(first, first + {6: 1, 16: count, 23: count}.get(function, 0))


def cycles(requests: list[bytes]) -> Iterator[list[bytes]]:
    """Yield the requests from one heartbeat to the next, if inputs were read and the output was written once.

    On a busy box a tick is missed, or a result is late and the output left alone.
    """
    beats = [at for at, pdu in enumerate(requests) if HEARTBEAT in written(pdu)]
    for first, last in pairwise(beats):
        sent = requests[first:last]
        scans, outputs = [pdu[0] == 2 for pdu in sent], [SETPOINT in written(pdu) for pdu in sent]
        if sum(scans) == sum(outputs) == 1:
            yield sent


@pytest.mark.parametrize(
    ("device", "result"),
    [("", (1, 1)), ('writes = "single"\nmax_registers = 8', (20, 3)), ('writes = "read-write"', (1, 1))],
)
def test_check_prints_as_many_requests_as_a_cycle_sends(
    device: str, result: tuple[int, int], dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    with start_plant(free_port()) as plant, Proxy(plant.modbus_port) as proxy:
        config = configured(tmp_path, proxy.port, device)
        rate, writes = budgeted(config)
        assert writes == {"alpha.result": result, "a.sp": (1, 1)}
        Plc(plant.modbus_port).write(SETPOINT, [1500])
        with AgentProcess(config) as agent:
            until(lambda: Plc(plant.modbus_port).registers(SETPOINT, 1)[0] < 1500, "a step", 30)
            until(lambda: len(list(cycles(list(proxy.requests)))) > CYCLES, "enough cycles", 60)
            assert agent.terminate() == 0
    sent = Counter(map(len, cycles(proxy.requests)))
    # Where the output was left alone before, its value is read once more.
    ((most, _),) = sent.most_common(1)
    assert most == pytest.approx(rate * PERIOD), sent
