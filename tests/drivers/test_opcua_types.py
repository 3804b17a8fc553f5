"""Values of every type and nodes of every kind of id, on a server that nobody here wrote: node-opcua."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from click.testing import CliRunner
from node_opcua import NodeServer

from edge_agent.cli import main
from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.drivers import Refused
from edge_agent.drivers.opcua import known
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.structures import Decoder, Part

pytestmark = pytest.mark.sockets
TYPES = "nsu=urn:test:types;"


@pytest.fixture
async def driver(plant: NodeServer) -> AsyncIterator[OpcUa]:
    driver = OpcUa(plant.url, timeout=5)
    yield driver
    await driver.close()


def tag(node: str, field: str = "", monitored: Monitored | None = None, **more: object) -> Tag:
    address = parse_address(node if "=" in node else f"{TYPES}s={node}", field, monitored)
    return Tag(name=f"{node}{field}", address=address, **more)  # type: ignore[arg-type]


async def test_every_builtin_type_is_read(driver: OpcUa) -> None:
    wanted = {
        "Boolean": 1,
        "SByte": -5,
        "Byte": 200,
        "Int16": -1234,
        "UInt16": 54321,
        "Int32": -123456,
        "UInt32": 4000000000,
        "Int64": -16,
        "UInt64": 2**32 + 2,
        "Float": 1.5,
        "Double": 0.1,
        "Word": 513,
        "String": 7,
        "LocalizedText": 5,
        "DateTime": 1767323045,
        **dict.fromkeys(("Guid", "ByteString", "StatusCode"), np.nan),
    }
    plan = driver.plan_read([tag(name) for name in wanted])
    await driver.connect()
    columns = await driver.read(plan)
    np.testing.assert_array_equal(columns.value, list(wanted.values()))
    assert list(columns.exact.values()) == ["running", "läuft", "2026-01-02T03:04:05+00:00"]
    assert (columns.reason[-3:] == Reason.UNDECODABLE).all()


async def test_node_ids_of_all_four_kinds(driver: OpcUa) -> None:
    nodes = ["i=4711", "g=09087e75-8e5e-499b-954f-f2a9603db28a", "b=AQL/", "s=Double"]
    plan = driver.plan_read([tag(f"{TYPES}{node}") for node in nodes])
    write = driver.plan_write([tag(f"{TYPES}{node}") for node in nodes])
    await driver.connect()
    assert (await driver.read(plan)).value.tolist() == [4.5, 4.5, 4.5, 0.1]
    await driver.write(write, [1, 2, 3, 4])
    assert (await driver.read(plan)).value.tolist() == [1, 2, 3, 4]
    await driver.write(write, [4.5, 4.5, 4.5, 0.1])


FIELDS = {
    ("Matrix", "[1,2]"): 6,
    ("Cube", "[1,0,1]"): 5,
    ("Press", "Force"): 12.5,
    ("Press", "Torque"): np.nan,
    ("Press", "Main.Speed"): 1.5,
    ("Press", "Axes[1].Speed"): -2.5,
    ("Press", "Axes[1].Name"): 1,
    ("Press", "Curve[2]"): 4,
    ("Press", "Pause"): 250,
    ("Axes", "[1].Speed"): -2.5,
    ("Either", "Text"): 3,
    ("Either", "Level"): np.nan,
}


@pytest.mark.parametrize("monitored", [None, Monitored(0.1)])
async def test_matrices_and_structures(driver: OpcUa, monitored: Monitored | None) -> None:
    plan = driver.plan_read([tag(node, field, monitored) for node, field in FIELDS])
    await driver.connect()
    columns = await driver.read(plan)
    np.testing.assert_array_equal(columns.value, list(FIELDS.values()))
    assert columns.exact == {6: "y", 10: "off"}
    assert set(columns.reason[[3, 11]]) == {Reason.NO_VALUE}


async def test_values_of_enumerations_have_the_names_that_the_server_gives_them(driver: OpcUa) -> None:
    own = tag("Mode", labels=((7, "broken"),))
    found = [
        own,
        tag("Mode"),
        tag("Modes", "[0]"),
        tag("Press", "Axes[1].Mode"),
        tag("Mode", scale=2),
        *(tag(name) for name in ("Strings", "Values", "Int32")),
    ]
    plan = driver.plan_read(found)
    await driver.connect()
    columns = await driver.read(plan)
    assert columns.value.tolist() == [7, 7, 0, 7, 14, 1, 10, -123456]
    meanings = [one.meaning(columns[row]) for row, one in enumerate(found)]
    assert meanings == ["broken", "Fault", "Off", "Fault", None, "High", "Ten", None]


def test_read_shows_the_name(plant: NodeServer, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'[agent]\nstate = "state"\n[device.a]\ndriver = "opc-ua"\nurl = "{plant.url}"\nsecurity = "none"\n'
        f'timeout = "5s"\ntags = [{{ name = "mode", node = "{TYPES}s=Mode" }}]\n'
    )
    said = CliRunner().invoke(main, ["read", str(config)])
    assert " Fault " in said.output


NUMBERS = {
    "Boolean": 0, "SByte": -128, "Byte": 255, "Int16": -32768, "UInt16": 65535, "Int32": -(2**31),
    "UInt32": 2**32 - 1, "Int64": -(2**63), "UInt64": 2**63 + 2**11, "Float": -2.5, "Double": 1e300,
    "Word": 7, "Mode": 1,
}  # fmt: skip


async def test_every_numeric_type_is_written_and_no_other(
    driver: OpcUa, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = [tag(name) for name in NUMBERS]
    others = ("String", "DateTime", "Guid", "ByteString", "StatusCode", "LocalizedText", "Matrix", "Press")
    read, write = driver.plan_read(numbers), driver.plan_write(numbers)
    refused = [driver.plan_write([tag(name)]) for name in others]
    await driver.connect()
    before = await driver.read(read)
    await driver.write(write, list(NUMBERS.values()))
    assert (await driver.read(read)).value.tolist() == [float(value) for value in NUMBERS.values()]
    await driver.write(write, before.value.tolist())
    for plan in refused:
        with pytest.raises(Refused, match="is not a single number of a known type"):
            await driver.write(plan, [1])
    assert caplog.text.count("is not a single number of a known type") == len(others)


async def test_what_this_login_may_not_write_is_told_at_connect(
    driver: OpcUa, caplog: pytest.LogCaptureFixture
) -> None:
    plan = driver.plan_write([tag("ReadOnlyForUs")])
    await driver.connect()
    text = "BadUserAccessDenied: this login may not write it (UserAccessLevel)"
    assert f"cannot be written: ReadOnlyForUs ({TYPES}s=ReadOnlyForUs): {text}" in caplog.text
    with pytest.raises(Refused, match="this login may not write it"):
        await driver.write(plan, [1])


@pytest.mark.parametrize("monitored", [None, Monitored(0.1)])
async def test_a_structure_that_becomes_another_under_a_living_session(
    driver: OpcUa,
    plant: NodeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    monitored: Monitored | None,
) -> None:
    monkeypatch.setattr(known, "LOOK_AGAIN", 0.2)
    name = "Swapped" if monitored else "Replaced"
    plan = driver.plan_read([tag(name, "Speed", monitored)])
    plant.order(structure=name, type="Axis", fields={"name": "x", "speed": 3.5, "mode": 0})
    await driver.connect()
    session = driver.session
    assert (await driver.read(plan)).value.tolist() == [3.5]
    plant.order(structure=name, type="Wheel", fields={"speed": 7.5}, kept=monitored is not None)
    seen = []
    async with asyncio.timeout(20):
        while 7.5 not in seen:
            sample = (await driver.read(plan))[0]
            seen.append(sample.value if sample.quality == Quality.GOOD else sample.reason.name)
            await asyncio.sleep(0.05)
            assert driver.session is session
    assert set(seen) <= {3.5, "UNDECODABLE", 7.5}
    assert f"{name}Speed ({TYPES}s={name} Speed) has another structure now" in caplog.text


async def test_types_are_asked_for_again_though_values_still_fit(
    driver: OpcUa, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "LOOK_AGAIN", 0.0)
    plan, flat = driver.plan_read([tag("Press", "Force")]), driver.plan_read([tag("Double")])
    await driver.connect()

    def described() -> list[object]:
        assert driver._known is not None
        return [driver._known.located[one].described for one in (plan, flat)]

    first = described()
    await driver.read(plan)
    assert [one is before for one, before in zip(described(), first, strict=True)] == [True, True]
    monkeypatch.setattr(known, "DESCRIBE_AGAIN", 0.0)
    await driver.read(plan)
    await driver.read(flat)
    assert [one is before for one, before in zip(described(), first, strict=True)] == [False, True]


def test_a_matrix_inside_a_structure_is_its_sizes_and_then_its_elements() -> None:
    decoder = Decoder(
        ua.NodeId(1, 2), ua.StructureType.Structure, (Part("M", ua.VariantType.Byte, 2, False, {}),)
    )
    whole = bytes([2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6])
    assert decoder.decode(Buffer(whole)) == {"M": [[1, 2, 3], [4, 5, 6]]}
    with pytest.raises(ValueError, match="has 6 elements in 5 bytes"):
        decoder.decode(Buffer(whole[:-1]))
    with pytest.raises(ValueError, match="M has a length of 65282"):
        decoder.decode(Buffer(bytes([2, 255]) + whole[2:]))
