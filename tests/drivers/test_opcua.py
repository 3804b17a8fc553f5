"""What the OPC UA driver makes of a sound server in another process."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from browsed import read_back, run
from opcua_process import PLANT, Server, tags
from opcua_server import AT_ONCE, SCALARS

from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua import driver as opcua
from edge_agent.drivers.opcua import writing
from edge_agent.drivers.opcua.address import parse_address
from edge_agent.drivers.opcua.driver import OpcUa

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def driver(server: Server) -> AsyncIterator[OpcUa]:
    driver = OpcUa(server.url, timeout=5)
    yield driver
    await driver.close()


async def test_every_scalar_type_is_read_as_a_number(driver: OpcUa) -> None:
    plan = driver.plan_read(tags(*SCALARS))
    await driver.connect()
    columns = await driver.read(plan)
    assert columns.value.tolist() == [float(value) for value in SCALARS.values()]
    assert (columns.quality == Quality.GOOD).all()
    assert (columns.reason == Reason.NONE).all()


async def test_each_tag_has_the_quality_that_the_server_gives_it(driver: OpcUa) -> None:
    expected = {
        "Double": (0.1, Reason.NONE),
        "bad": (np.nan, Reason.DEVICE_REFUSED),
        "uncertain": (7.0, Reason.DEVICE_UNCERTAIN),
        "last": (np.nan, Reason.STALE),
        "cut-off": (np.nan, Reason.NO_LINK),
        "unknown": (np.nan, Reason.DEVICE_REFUSED),
        "array": (np.nan, Reason.UNDECODABLE),
        "motor": (np.nan, Reason.UNDECODABLE),
        "nothing": (np.nan, Reason.NO_VALUE),
        "nan": (np.nan, Reason.NOT_FINITE),
        "Float": (1.5, Reason.NONE),
    }
    plan = driver.plan_read(tags(*expected))
    await driver.connect()
    columns = await driver.read(plan)
    assert columns.reason.tolist() == [reason for _, reason in expected.values()]
    np.testing.assert_array_equal(columns.value, [value for value, _ in expected.values()])
    assert columns.said == {
        1: "BadSensorFailure",
        2: "UncertainSubNormal",
        3: "UncertainLastUsableValue",
        4: "BadNoCommunication",
        5: "BadNodeIdUnknown",
    }
    good, uncertain = Reason.NONE, Reason.DEVICE_UNCERTAIN
    quality = {good: Quality.GOOD, uncertain: Quality.UNCERTAIN}
    assert columns.quality.tolist() == [quality.get(why, Quality.BAD) for _, why in expected.values()]


async def test_what_is_no_number_is_logged_once(driver: OpcUa, caplog: pytest.LogCaptureFixture) -> None:
    plan = driver.plan_read(tags("motor", "array"))
    await driver.connect()
    await driver.read(plan)
    await driver.read(plan)
    said = [record.getMessage() for record in caplog.records if record.name == opcua.__name__]
    assert [text.split(" is ")[1].split(";")[0] for text in said] == [
        "not a number but a structure",
        "not a number but an array",
    ]


async def test_texts_times_and_large_integers_are_exact_beside_their_number(driver: OpcUa) -> None:
    plan = driver.plan_read(tags("text", "named", "since", "exact", "Int64"))
    await driver.connect()
    columns = await driver.read(plan)
    assert columns.exact == {0: "running", 1: "läuft", 2: "2026-01-02T03:04:05+00:00", 3: 2**53 + 1}
    assert columns.value.tolist() == [7, 5, 1767323045, 2**53, -(2**40)]
    assert columns.reason.tolist() == [0, 0, 0, Reason.ROUNDED, 0]


def inside(node: str, *fields: str) -> list[Tag]:
    return [Tag(name=f"{node}.{field}", address=parse_address(PLANT + node, field)) for field in fields]


async def test_elements_of_arrays_and_fields_of_structures_are_tags(
    driver: OpcUa, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = [
        *inside("array", "[1]", "[0]", "[2]"),
        *inside("matrix", "[1,0]"),
        *inside("motor", "Current", "Axes[1].Speed", "Axes[0].Name", "Torque", "Axes[2].Speed", "Axes"),
        *inside("motor", "Weight"),
    ]
    plan = driver.plan_read(wanted)
    await driver.connect()
    columns = await driver.read(plan)
    nan = np.nan
    np.testing.assert_array_equal(columns.value, [2, 1, nan, 3, 12.5, -2.5, 1, nan, nan, nan, nan])
    assert columns.reason[7] == Reason.NO_VALUE
    assert columns.exact == {6: "x"}
    assert [r.getMessage().split(") ")[1] for r in caplog.records if r.name == opcua.__name__] == [
        "has only 2 elements at the top",
        "has only 2 elements at Axes",
        "is not a number but an array; say which element, such as field [0]",
        "has no Weight; there is Current, Torque, Axes",
    ]


def test_fields_of_structures_and_elements_of_matrices_are_in_the_tag_file(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "plant.csv"
    said = run(server.url, "--insecure", "--csv", file)
    values = read_back(server.url, tmp_path, file)
    assert {name: values[name] for name in values if name.startswith(("motor", "matrix"))} == {
        "matrix_0_0": 1,
        "matrix_0_1": 2,
        "matrix_1_0": 3,
        "matrix_1_1": 4,
        "motor_Current": 12.5,
        "motor_Axes_0_Name": "x",
        "motor_Axes_0_Speed": 1.5,
        "motor_Axes_1_Name": "y",
        "motor_Axes_1_Speed": -2.5,
    }
    assert "1 left out: without a value now" in said
    tree = run(server.url, "--insecure")
    assert "Motor (Structure)  {'Current': 12.5" in tree


async def test_a_browse_path_leads_to_a_node(driver: OpcUa, caplog: pytest.LogCaptureFixture) -> None:
    paths = ["/Objects/2:Double", "/Objects/nsu=urn:test:plant;Float", "/Objects/2:Doubles", "/Objects"]
    plan = driver.plan_read([Tag(name=text, address=parse_address(text)) for text in paths])
    write = driver.plan_write([Tag(name="d", address=parse_address(paths[0]))])
    await driver.connect()
    columns = await driver.read(plan)
    np.testing.assert_array_equal(columns.value, [0.1, 1.5, np.nan, np.nan])
    await driver.write(write, [0.1])
    assert "/Objects/2:Doubles: leads to no node" in caplog.text


async def test_values_are_scaled_and_judged_against_their_range(driver: OpcUa) -> None:
    address = parse_address(PLANT + "Int16")
    plan = driver.plan_read([Tag(name="a", address=address, scale=0.1, offset=1, low=0)])
    await driver.connect()
    sample = (await driver.read(plan))[0]
    assert sample.value == pytest.approx(-122.4)
    assert (sample.quality, sample.reason) == (Quality.UNCERTAIN, Reason.OUT_OF_RANGE)


async def test_a_scan_larger_than_the_server_takes_at_once_is_split(driver: OpcUa) -> None:
    names = [*SCALARS] * 10
    plan = driver.plan_read(tags(*names))
    assert len(names) > 2 * AT_ONCE
    await driver.connect()
    for _ in range(2):
        columns = await driver.read(plan)
        assert columns.value.tolist() == [float(SCALARS[name]) for name in names]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Boolean", 0.0),
        ("Boolean", 1.0),
        ("SByte", -128.0),
        ("Byte", 255.0),
        ("Int16", -32768.0),
        ("UInt16", 65535.0),
        ("Int32", -(2.0**31)),
        ("UInt32", 2.0**32 - 1),
        ("Int64", -(2.0**63)),
        ("UInt64", 2.0**63),
        ("Float", -2.5),
        ("Double", 1e300),
        ("word", 513.0),
    ],
)
async def test_a_value_is_written_in_the_type_of_its_node(server: Server, name: str, value: float) -> None:
    driver = OpcUa(server.url, timeout=5)
    read, write = driver.plan_read(tags(name)), driver.plan_write(tags(name))
    await driver.connect()
    before = (await driver.read(read))[0].value
    await driver.write(write, [value])
    assert (await driver.read(read))[0].value == value
    await driver.write(write, [before])
    await driver.close()


async def test_all_outputs_go_in_one_request_each_to_its_own_node(driver: OpcUa) -> None:
    names = ["UInt16", "Double", "Boolean", "Int32"]
    read, write = driver.plan_read(tags(*names)), driver.plan_write(tags(*names))
    await driver.connect()
    before = (await driver.read(read)).value.tolist()
    await driver.write(write, [7, 0.25, 0, -9])
    assert (await driver.read(read)).value.tolist() == [7, 0.25, 0, -9]
    await driver.write(write, before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Boolean", 2.0),
        ("UInt16", -1.0),
        ("UInt16", 65536.0),
        ("UInt16", 1.5),
        ("UInt16", float("nan")),
        ("Int64", 2.0**63),
        ("UInt32", float("inf")),
        ("Float", 1e39),
    ],
)
async def test_a_value_that_its_type_cannot_hold_sends_nothing(
    server: Server, name: str, value: float
) -> None:
    driver = OpcUa(server.url, timeout=5)
    read, write = driver.plan_read(tags("Double", name)), driver.plan_write(tags("Double", name))
    await driver.connect()
    before = await driver.read(read)
    with pytest.raises(Refused, match=f"{name}.*: {name} cannot hold"):
        await driver.write(write, [99.0, value])
    assert (await driver.read(read)).value.tolist() == before.value.tolist()
    await driver.close()


async def test_a_write_of_the_wrong_length_is_a_bug_of_the_caller(driver: OpcUa) -> None:
    plan = driver.plan_write(tags("Double", "Float"))
    await driver.connect()
    with pytest.raises(ValueError, match="zip"):
        await driver.write(plan, [1.0])


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("read-only", "BadNotWritable"),
        ("unknown", "BadNodeIdUnknown"),
        ("guarded", "BadUserAccessDenied"),
        ("text", "not a single number"),
        ("array", "not a single number"),
    ],
)
async def test_a_refused_write_names_the_node_and_the_link_stays(
    driver: OpcUa, name: str, status: str
) -> None:
    read, write = driver.plan_read(tags("Double")), driver.plan_write(tags("Double", name))
    await driver.connect()
    with pytest.raises(Refused, match=f"^{name} .*s={name}.*{status}") as refused:
        await driver.write(write, [0.1, 1.0])
    assert "Double" not in str(refused.value)
    assert (await driver.read(read))[0].quality == Quality.GOOD


async def test_more_outputs_than_the_server_takes_at_once_are_refused(driver: OpcUa) -> None:
    plan = driver.plan_write(tags(*["Double"] * (AT_ONCE + 1)))
    await driver.connect()
    with pytest.raises(Refused, match=f"{AT_ONCE + 1} writes at once"):
        await driver.write(plan, [0.1] * (AT_ONCE + 1))


def test_a_write_carries_neither_status_nor_timestamp() -> None:
    request = writing.item(tags("x")[0], ua.NodeId("x", 2), ua.VariantType.UInt16, 258.0)
    only_a_value, uint16 = 0x01, 0x05
    assert struct_to_binary(request.Value) == bytes([only_a_value, uint16, 2, 1])


async def test_a_namespace_that_the_server_lacks_spoils_its_own_tags_alone(
    driver: OpcUa, caplog: pytest.LogCaptureFixture
) -> None:
    plan = driver.plan_read(
        [Tag(name="a", address=parse_address("nsu=urn:other:plant;s=a")), *tags("Double")]
    )
    await driver.connect()
    columns = await driver.read(plan)
    assert columns.reason.tolist() == [Reason.DEVICE_REFUSED, Reason.NONE]
    assert columns.value[1] == 0.1
    [line] = [r.getMessage() for r in caplog.records if r.name == opcua.__name__]
    assert "no namespace urn:other:plant; it has" in line
    assert "urn:test:plant" in line


async def test_a_driver_that_is_not_connected_says_so(driver: OpcUa) -> None:
    with pytest.raises(LinkDown, match="not connected"):
        await driver.read(driver.plan_read(tags("Double")))


@pytest.mark.parametrize("url", ["127.0.0.1:4840", "opc.tcp://plc", "http://plc:4840", "opc.tcp://:4840"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="write opc"):
        OpcUa(url, timeout=1)
