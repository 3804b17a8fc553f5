import sys
from base64 import b64encode
from subprocess import run
from uuid import UUID

import pytest

from edge_agent.drivers.opcua.address import BrowsePath, NodeAddress, NodeId, parse_address

GUID = UUID("09087e75-8e5e-499b-954f-f2a9603db28a")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ns=2;s=Name", NodeId(2, "Name")),
        ("ns=2;i=5", NodeId(2, 5)),
        ("i=85", NodeId(0, 85)),
        (f"ns=3;g={GUID}", NodeId(3, GUID)),
        (f"ns=3;b={b64encode(b'ab').decode()}", NodeId(3, b"ab")),
        ("nsu=urn:some:uri;s=Name", NodeId("urn:some:uri", "Name")),
        ("nsu=urn:a%3Bb%2525;i=1", NodeId("urn:a;b%25", 1)),
        ('ns=3;s="DB 1"."a;b=c".x ', NodeId(3, '"DB 1"."a;b=c".x ')),
        ("ns=65535;i=4294967295", NodeId(65535, 4294967295)),
    ],
)
def test_a_node_id_is_read_and_written_back(text: str, address: NodeId) -> None:
    assert parse_address(text) == NodeAddress(address)
    assert parse_address(str(address)) == NodeAddress(address)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("/Objects/3:Press/3:Vibration", ((0, "Objects"), (3, "Press"), (3, "Vibration"))),
        ("/nsu=http://a/b;Press/2:m&/s", (("http://a/b", "Press"), (2, "m/s"))),
        ("/2:1:2/&2:x/&&", ((2, "1:2"), (0, "2:x"), (0, "&"))),
    ],
)
def test_a_browse_path_is_read_and_written_back(text: str, steps: tuple[tuple[int | str, str], ...]) -> None:
    address = parse_address(text)
    assert address == NodeAddress(BrowsePath(steps))
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[3]", (3,)),
        ("[1,2]", (1, 2)),
        ("Current", ("Current",)),
        ("Motor.Current", ("Motor", "Current")),
        ("Axes[2].Speed", ("Axes", 2, "Speed")),
        ("[0].Speed", (0, "Speed")),
    ],
)
def test_a_field_is_the_way_into_a_value(text: str, field: tuple[str | int, ...]) -> None:
    assert parse_address("i=1", text).field == field


@pytest.mark.parametrize("text", ["[", "[-1]", "[a]", "a..b", ".a", "a]", "[1]b"])
def test_what_is_no_field_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not like"):
        parse_address("i=1", text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Name", "write ns=2;s=Name"),
        ("", "write ns=2;s=Name"),
        ("ns=2;s=", "write ns=2;s=Name"),
        ("ns=x;i=1", "write ns=2;s=Name"),
        ("ns=2;nsu=urn:a;i=1", "write ns=2;s=Name"),
        ("ns=65536;i=1", "at most 65535"),
        ("i=4294967296", "from 0 to 4294967295"),
        ("i=-1", "whole number"),
        ("i=²", "whole number"),
        ("g=123", "GUID like"),
        ("b=*", "base64"),
        ("/", "from '/' on"),
        ("/a//b", "from '//b' on"),
        ("/65536:a", "at most 65535"),
    ],
)
def test_a_text_that_is_no_node_id_is_told_how_to_be_one(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_address(text)


def test_only_a_device_that_needs_it_imports_the_protocol_stack() -> None:
    agent = "edge_agent.app, edge_agent.cli, edge_agent.commission"
    code = f"import sys, {agent}; sys.exit('asyncua' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
