import sys
from base64 import b64encode
from subprocess import run
from uuid import UUID

import pytest

from edge_agent.drivers.opcua.address import NodeAddress, parse_address

GUID = UUID("09087e75-8e5e-499b-954f-f2a9603db28a")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ns=2;s=Name", NodeAddress(2, "Name")),
        ("ns=2;i=5", NodeAddress(2, 5)),
        ("i=85", NodeAddress(0, 85)),
        (f"ns=3;g={GUID}", NodeAddress(3, GUID)),
        (f"ns=3;b={b64encode(b'ab').decode()}", NodeAddress(3, b"ab")),
        ("nsu=urn:some:uri;s=Name", NodeAddress("urn:some:uri", "Name")),
        ("nsu=urn:a%3Bb%2525;i=1", NodeAddress("urn:a;b%25", 1)),
        ('ns=3;s="DB 1"."a;b=c".x ', NodeAddress(3, '"DB 1"."a;b=c".x ')),
        ("ns=65535;i=4294967295", NodeAddress(65535, 4294967295)),
    ],
)
def test_a_node_id_is_read_and_written_back(text: str, address: NodeAddress) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


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
    ],
)
def test_a_text_that_is_no_node_id_is_told_how_to_be_one(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_address(text)


def test_reading_an_address_does_not_import_the_protocol_stack() -> None:
    code = "import sys, edge_agent.drivers.opcua.address; sys.exit('asyncua' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
