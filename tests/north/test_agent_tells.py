"""A real agent, from its PLC to the broker: what it tells, and that it is born again when it is asked."""

from pathlib import Path

import aiomqtt
import pytest
from agent_process import AgentProcess, small_bundle
from broker import hosting
from modbus_proxy import free_port
from mosquitto import Broker
from plc_line import device, machine, start_plant
from pysparkplug import DataType, Metric, NCmd

from edge_agent.north.mqtt.node import REBIRTH

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]


async def test_an_agent_is_born_again_when_a_host_asks(
    broker: Broker, dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    config = tmp_path / "config.toml"
    with start_plant(free_port()) as plant:
        config.write_text(
            '[agent]\nname = "gw"\nstate = "state"\n'
            f"{device('a', plant.modbus_port)}{machine('pump', 'a', 'a')}"
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ngroup = "plant"\ntls = false\n'
        )
        async with hosting(broker) as host:
            with AgentProcess(config) as agent:
                await host.until(lambda: len(host.told("pump", "Score")) > 3, "results", 60)
                command = NCmd(1, (Metric(1, REBIRTH, DataType.BOOLEAN, value=True),))
                async with aiomqtt.Client("127.0.0.1", broker.port) as scada:
                    await scada.publish("spBv1.0/plant/NCMD/gw", command.encode(include_dtypes=True), qos=1)
                await host.until(lambda: len(host.of("DBIRTH", "pump")) == 2, "born again", 30)
                first, second = host.of("NBIRTH")
                assert (first.seq, second.seq) == (0, 0)
                assert number(first) == number(second), "the connection is the same"
                assert host.of("NDEATH") == []
                births = [i for i, (kind, _, _) in enumerate(host.heard) if kind == "NBIRTH"]
                seqs = [payload.seq for _, _, payload in host.heard[births[1] :]]
                assert seqs == list(range(len(seqs)))
                score = {m.name: m for m in host.of("DBIRTH", "pump")[1].metrics}["Score"]
                assert score.is_null or 0 <= score.value <= 1
                told = len(host.told("pump", "Score"))
                await host.until(lambda: len(host.told("pump", "Score")) > told, "results go on")
                assert agent.terminate() == 0
            await host.until(lambda: host.of("NDEATH"), "its death")


def number(birth: object) -> int:
    """The bdSeq of a birth."""
    return next(m.value for m in birth.metrics if m.name == "bdSeq")  # type: ignore[attr-defined, no-any-return]
