"""OPC UA result nodes that were made with the wrong type: a mistake in the PLC, not a crash here."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import INPUTS, AgentProcess, small_bundle, until
from asyncua import Server, ua
from modbus_proxy import free_port

from edge_agent.core.resultblock import FIELDS

pytestmark = pytest.mark.sockets


async def serve(port: int, ready: threading.Event, stop: threading.Event) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:edge-agent:plant")
    for name in INPUTS:
        await server.nodes.objects.add_variable(ua.NodeId(f"Rig.{name}", index), name, 1.0)
    for name, _, _ in FIELDS:
        zero = ua.Variant(0, ua.VariantType.Int16)
        node = await server.nodes.objects.add_variable(ua.NodeId(f"Result.{name}", index), name, zero)
        await node.set_writable()
    async with server:
        ready.set()
        while not stop.is_set():  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.05)


@pytest.fixture
def port() -> Iterator[int]:
    port, ready, stop = free_port(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(port, ready, stop)))
    thread.start()
    try:
        assert ready.wait(20)
        yield port
    finally:
        stop.set()
        thread.join(20)


def test_result_nodes_of_the_wrong_type_are_refused_and_nothing_crashes(
    port: int, dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    tags = ", ".join(f'{{ name = "{n}", node = "nsu=urn:edge-agent:plant;s=Rig.{n}" }}' for n in INPUTS)
    inputs = ", ".join(f'{n} = "scada.{n}"' for n in INPUTS)
    config = tmp_path / "c.toml"
    config.write_text(
        '[agent]\nstate = "state"\n[device.scada]\ndriver = "opc-ua"\nsecurity = "none"\nscan = "100ms"\n'
        f'url = "opc.tcp://127.0.0.1:{port}/"\ntags = [{tags}]\n'
        f'[machine.pump]\nbundle = "small.bundle"\nmode = "advisory"\ninputs = {{ {inputs} }}\n'
        '[machine.pump.result]\ndevice = "scada"\nnode = "nsu=urn:edge-agent:plant;s=Result"\n',
        encoding="utf-8",
    )
    with AgentProcess(config) as agent:
        until(lambda: any("result block refused" in line for line in agent.lines), "the refusal is told")
        until(lambda: agent.machine("pump")["state"] == "ADVISORY", "results")
        cycles = agent.status()["scans"][0]["cycles"]
        until(lambda: agent.status()["scans"][0]["cycles"] > cycles + 5, "cycles go on")
        refusals = [line for line in agent.lines if "refused" in line]
        assert len(refusals) == 1
        assert "layout" in refusals[0]
        assert "Int16 cannot hold 59906" in refusals[0]
        assert agent.terminate() == 0
        assert "Traceback" not in "\n".join(agent.lines)
