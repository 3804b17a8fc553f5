"""A name server that never answers: who has a name waits for it, nobody else, and not the end either."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import AgentProcess, Plc, small_bundle, until
from modbus_proxy import free_port
from plc_line import ADVISORY, device, machine, start_plant

pytestmark = pytest.mark.sockets

PRIVATE = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[list[str]]:
    """What is put before a command so that it asks a name server that says nothing."""
    if os.geteuid() != 0:
        pytest.skip("port 53 is root's")
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.153\n")
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.153", 53))
        yield ["unshare", "--mount", "sh", "-c", PRIVATE, "sh", str(resolv)]
        assert server.recv(512), "somebody asked"


def test_it_delays_no_other_device_and_not_the_end(
    silent: list[str], dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    config = tmp_path / "c.toml"
    with start_plant(free_port()) as plant:
        away = device("away", 502).replace('"127.0.0.1"', '"plc.plant.example"')
        named = ['[agent]\nstate = "state"', device("b", plant.modbus_port), away]
        config.write_text("\n".join([*named, machine("beta", "b", "b")]), encoding="utf-8")
        plc = Plc(plant.modbus_port)
        with AgentProcess(config, before=silent) as agent:
            until(lambda: plc.frame().state == ADVISORY, "results of the others")
            until(lambda: [line for line in agent.lines if "device away" in line], "the name is not found")
            first = plc.frame()
            until(lambda: plc.frame().at > first.at + 3, "three seconds")
            last = plc.frame()
            rate = ((last.sequence - first.sequence) & 0xFFFF) / (last.at - first.at)
            assert rate > 8.0
            assert agent.terminate(8.0) == 0
