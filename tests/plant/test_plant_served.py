"""The plant as a process of its own, seen by clients that share no code with it."""

import asyncio
import socket
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Client, ua
from click.testing import CliRunner
from pymodbus.client import AsyncModbusTcpClient

from edge_agent.plant.__main__ import main
from edge_agent.plant.process import PlantFailed, PlantProcess

pytestmark = pytest.mark.sockets
POLL = 0.02  # s between looks; every wait has a deadline


async def eventually(look, deadline):
    async with asyncio.timeout(deadline):
        while not await look():  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(POLL)


class Modbus:
    """An independent client of unit 1."""

    def __init__(self, client):
        self.client = client

    async def read(self, address, count=1, table="input"):
        call = {"input": self.client.read_input_registers, "holding": self.client.read_holding_registers}[
            table
        ]
        answer = await call(address, count=count, device_id=1)
        assert not answer.isError(), answer
        return answer.registers

    async def write(self, address, *words):
        answer = await self.client.write_registers(address, list(words), device_id=1)
        assert not answer.isError(), answer

    async def bits(self):
        return (await self.client.read_discrete_inputs(0, count=2, device_id=1)).bits[:2]

    async def float32(self, address):
        return struct.unpack(">f", struct.pack(">2H", *await self.read(address, 2)))[0]

    async def until(self, address, wanted, deadline=3.0):
        async def look():
            return wanted((await self.read(address))[0])

        await eventually(look, deadline)


@pytest.fixture
async def modbus(plant):
    client = AsyncModbusTcpClient("127.0.0.1", port=plant.modbus_port, timeout=2, retries=0)
    assert await client.connect()
    yield Modbus(client)
    client.close()


@pytest.fixture
async def opcua(plant):
    client = Client(f"opc.tcp://127.0.0.1:{plant.opcua_port}/")
    client.session_timeout = 60_000
    async with client:
        yield client


async def test_the_machine_follows_its_setpoint_and_says_when_it_may_not_be_written(modbus):
    async def stopped():
        return await modbus.bits() == [False, False]

    async def running():
        return await modbus.bits() == [True, True]

    await eventually(running, 5)
    await modbus.write(100, 0)
    await eventually(stopped, 15)
    await modbus.write(100, 1450)
    await eventually(running, 5)


async def test_modbus_gives_the_signals_in_engineering_ranges(modbus):
    await modbus.until(13, lambda beat: beat > 20)
    words = await modbus.read(0, 14)
    speed, load, vibration = struct.unpack(">3f", struct.pack(">6H", *words[:6]))
    flow = struct.unpack(">f", struct.pack(">2H", words[10], words[9]))[0]
    assert 100 < speed < 1500
    assert 0 < load < 120
    assert 0 < vibration < 4
    assert 200 < words[6] < 600
    assert 200 < words[7] < 900
    assert 500 < words[8] < 3000
    assert 3 < flow < 50


async def test_the_plc_counts_its_cycles_at_ten_a_second(modbus):
    loop = asyncio.get_running_loop()
    (first,) = await modbus.read(13)
    await modbus.until(13, lambda beat: beat != first)
    (start,), begun = await modbus.read(13), loop.time()
    await modbus.until(13, lambda beat: beat >= start + 10)
    assert 0.7 < loop.time() - begun < 1.6


async def test_addresses_that_do_not_exist_answer_with_exception_2(modbus):
    for address, count in ((60, 1), (50, 6), (199, 2), (202, 1)):
        answer = await modbus.client.read_input_registers(address, count=count, device_id=1)
        assert answer.exception_code == 2
    assert (await modbus.client.read_holding_registers(420, count=1, device_id=1)).exception_code == 2
    assert (await modbus.client.write_coil(0, True, device_id=1)).exception_code == 2


async def test_an_agent_over_modbus_is_believed_until_its_heartbeat_stops(modbus, frame):
    await modbus.write(400, *frame(1001, 1001))
    await modbus.until(50, lambda state: state == 1)
    await modbus.write(400, *frame(1002, 1002, alarm=1))
    await modbus.until(52, lambda lamp: lamp == 1)
    fallbacks = (await modbus.read(54))[0]
    assert (await modbus.read(53)) == [1002]
    assert (await modbus.client.read_coils(0, count=1, device_id=1)).bits[0]
    await modbus.until(50, lambda state: state == 2)
    state, age, lamp, sequence, counted = await modbus.read(50, 5)
    assert (state, lamp, sequence, counted) == (2, 0, 1002, fallbacks + 1)
    assert age >= 1000
    assert (await modbus.read(400, 20, "holding")) == frame(1002, 1002, alarm=1)
    assert not (await modbus.client.read_coils(0, count=1, device_id=1)).bits[0]


async def test_opcua_shows_the_same_machine_with_fresh_timestamps(opcua, modbus):
    index = await opcua.get_namespace_index("urn:edge-agent:plant")
    names = ["speed", "load", "vibration", "bearing_temp", "motor_temp", "current", "flow", "pressure"]
    values = await opcua.read_attributes([opcua.get_node(f"ns={index};s=Rig.{name}") for name in names])
    for value in values:
        assert value.StatusCode.is_good()
        assert value.Value.VariantType is ua.VariantType.Double
        assert datetime.now(UTC) - value.SourceTimestamp < timedelta(seconds=1)
    assert values[3].Value.Value == pytest.approx((await modbus.read(6))[0] * 0.1, abs=0.5)
    heartbeat = opcua.get_node(f"ns={index};s=Rig.heartbeat")
    first = await heartbeat.read_value()

    async def moved():
        return await heartbeat.read_value() != first

    await eventually(moved, 2)


async def test_an_agent_over_opcua_writes_the_same_block(opcua, modbus, frame):
    index = await opcua.get_namespace_index("urn:edge-agent:plant")
    uint16, uint32, single = ua.VariantType.UInt16, ua.VariantType.UInt32, ua.VariantType.Float

    async def write(words):
        score, bundle = struct.unpack(">f", struct.pack(">2H", *words[6:8]))[0], words[16] << 16 | words[17]
        fields = {
            "layout": (words[0], uint16),
            "heartbeat": (words[1], uint16),
            "sequence": (words[2], uint16),
            "state": (words[3], uint16),
            "reason": (words[4], uint16),
            "alarm": (words[5], uint16),
            "score": (score, single),
            "value": (0.0, single),
            "input_age_ms": (words[10], uint16),
            "input_quality": (words[11], uint16),
            "reason_1": (words[12], uint16),
            "reason_2": (words[13], uint16),
            "reason_3": (words[14], uint16),
            "denied": (words[15], uint16),
            "bundle": (bundle, uint32),
            "sequence_again": (words[18], uint16),
            "crc": (words[19], uint16),
        }
        nodes = [opcua.get_node(f"ns={index};s=Result.{name}") for name in fields]
        await opcua.write_values(nodes, [ua.DataValue(ua.Variant(*field)) for field in fields.values()])

    await write(frame(2001, 2001))
    await modbus.until(50, lambda state: state == 1)
    await write(frame(2002, 2002, alarm=1, score=0.9))
    await modbus.until(53, lambda sequence: sequence == 2002)
    assert (await modbus.read(52)) == [1]
    assert (await modbus.read(400, 20, "holding")) == frame(2002, 2002, alarm=1, score=0.9)
    lamp = opcua.get_node(f"ns={index};s=Rig.fault_lamp")
    assert await lamp.read_value() == 1


async def test_a_fault_is_injected_and_cleared_from_the_bench(modbus):
    async def fast():
        return await modbus.float32(0) > 900

    async def worn():
        return await modbus.float32(4) > 4

    async def sound():
        return await modbus.float32(4) < 3

    await eventually(fast, 10)
    assert await sound()
    await modbus.write(900, 1, 1)
    await eventually(worn, 5)
    await modbus.write(900, 0)
    await eventually(sound, 5)
    answer = await modbus.client.write_register(900, 5, device_id=1)
    assert answer.exception_code == 3
    assert await modbus.read(900, 1, "holding") == [0]


def test_sigterm_ends_it_with_exit_code_0_while_a_client_is_connected():
    with PlantProcess("--no-opcua", "--fault", "cavitation@2/5", "--fault", "sensor_stuck:flow@3") as plant:
        with socket.create_connection(("127.0.0.1", plant.modbus_port), timeout=2):
            assert plant.terminate() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", plant.modbus_port), timeout=2)


def test_a_killed_plant_comes_back_on_its_port():
    with PlantProcess("--no-opcua") as plant:
        port = plant.modbus_port
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            assert plant.kill() == -9
    with PlantProcess("--no-opcua", "--modbus-port", str(port)) as plant:
        assert plant.modbus_port == port
        assert port < 32768


@pytest.mark.parametrize("taken", ["--modbus-port", "--opcua-port"])
def test_a_taken_port_is_an_error_that_names_it(taken):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with pytest.raises(PlantFailed, match=port), PlantProcess(taken, port):
            pass


@pytest.mark.parametrize("fault", ["rust@1", "cavitation", "cavitation@soon", "sensor_stuck:smell@3"])
def test_a_fault_that_makes_no_sense_is_a_usage_error(fault):
    assert CliRunner().invoke(main, ["serve", "--fault", fault]).exit_code == 2


def test_the_plant_needs_no_tensorflow():
    code = "import sys, edge_agent.plant.__main__; print({'tensorflow', 'converter'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "set()\n"
