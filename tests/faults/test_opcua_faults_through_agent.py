"""A machine whose PLC speaks only OPC UA: inputs by subscription, the result as nodes, a server restart."""

import asyncio
import contextlib
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_process import INPUTS, AgentProcess, Frame, Plc, small_bundle, until
from asyncua import Client
from modbus_proxy import free_port

from edge_agent.core.tags import Reason
from edge_agent.plant.process import PlantProcess

pytestmark = pytest.mark.sockets
ADVISORY, OFF = 4, 0


class OpcUaSite:
    """One plant over OPC UA, and an agent on it. The Modbus side of the plant is the witness."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.modbus, self.opcua = free_port(), free_port()
        self.start_plant()
        tags = ", ".join(f'{{ name = "{n}", node = "nsu=urn:edge-agent:plant;s=Rig.{n}" }}' for n in INPUTS)
        inputs = ", ".join(f'{n} = "scada.{n}"' for n in INPUTS)
        config = folder / "opcua.toml"
        config.write_text(
            f'[agent]\nstate = "state"\n[device.scada]\ndriver = "opc-ua"\nsecurity = "none"\n'
            f'url = "opc.tcp://127.0.0.1:{self.opcua}/"\nscan = "100ms"\ntimeout = "1s"\nread = "subscribe"\n'
            f"tags = [{tags}]\n"
            f'[machine.pump]\nbundle = "small.bundle"\nmode = "advisory"\ninputs = {{ {inputs} }}\n'
            '[machine.pump.result]\ndevice = "scada"\nnode = "nsu=urn:edge-agent:plant;s=Result"\n',
            encoding="utf-8",
        )
        self.plc = Plc(self.modbus)
        self.agent = stack.enter_context(AgentProcess(config))

    def start_plant(self) -> None:
        ports = ("--modbus-port", str(self.modbus), "--opcua-port", str(self.opcua))
        self.plant = self._stack.enter_context(PlantProcess(*ports))

    def node(self, name: str) -> Any:
        """Read a node's value and type with a client of our own."""

        async def ask() -> Any:
            async with Client(f"opc.tcp://127.0.0.1:{self.opcua}/", timeout=4) as client:
                index = await client.get_namespace_index("urn:edge-agent:plant")
                return (await client.get_node(f"ns={index};s={name}").read_data_value()).Value

        return asyncio.run(ask())

    def results(self) -> Frame:
        """Wait for two results after each other."""
        first = until(lambda: (f := self.plc.frame()).state == ADVISORY and f, "a result", 20)
        return until(lambda: (f := self.plc.frame()).sequence > first.sequence and f, "the next result")


@pytest.fixture(scope="module")
def site(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpcUaSite]:
    folder = tmp_path_factory.mktemp("opcua")
    small_bundle(folder / "small.bundle", dense_tflite)
    with contextlib.ExitStack() as stack:
        yield OpcUaSite(folder, stack)


def test_inputs_come_from_nodes_and_the_result_goes_to_nodes(site: OpcUaSite) -> None:
    frame = site.results()
    assert 0.0 < frame.score < 1.0
    assert site.node("Result.layout").Value == 0xEA02
    assert site.node("Result.layout").VariantType.name == "UInt16"
    assert site.node("Result.score").VariantType.name == "Float"
    assert site.node("Result.bundle").VariantType.name == "UInt32"

    def same_speed() -> bool:
        speed: float = site.agent.machine("pump")["inputs"]["scada.speed"]
        return speed == pytest.approx(site.node("Rig.speed").Value, rel=0.02)

    until(same_speed, "the speed once the rig has run up", 30)


def test_a_restart_of_the_server_is_survived_and_told_in_two_lines(site: OpcUaSite) -> None:
    site.results()
    mark = len(site.agent.lines)
    site.plant.kill()
    until(lambda: site.agent.machine("pump")["reason"] == "NO_LINK", "the reason")
    assert site.agent.machine("pump")["score"] is None
    site.start_plant()
    site.results()
    told = [line.partition(":")[0] for line in site.agent.told(mark)]
    assert told == ["WARNING device scada", "INFO device scada"], site.agent.told(mark)


def test_a_silent_server_is_survived(site: OpcUaSite) -> None:
    site.results()
    mark = len(site.agent.lines)
    os.kill(site.plant.pid, signal.SIGSTOP)
    until(lambda: site.agent.machine("pump")["state"] == "FALLBACK", "the fallback")
    until(lambda: site.agent.status()["devices"][0]["healthy"] is False, "the device is told")
    os.kill(site.plant.pid, signal.SIGCONT)
    # A write that was under way is done as well: a next result alone is no sign of a new session.
    until(lambda: site.agent.status()["devices"][0]["healthy"], "the device answers")
    site.results()
    device = [line for line in site.agent.told(mark) if "device scada" in line]
    assert [line.split()[0] for line in device] == ["WARNING", "INFO"], site.agent.told(mark)


def test_sigterm_writes_off_to_the_nodes(site: OpcUaSite) -> None:
    site.results()
    assert site.agent.terminate() == 0
    frame = site.plc.becomes(state=OFF, reason=Reason.STOPPED, seconds=2)
    assert math.isnan(frame.score)
    assert "Traceback" not in "\n".join(site.agent.lines)
