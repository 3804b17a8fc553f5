"""`edge-agent browse` with servers that take little at once, have types of their own, lack what is asked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsed import read_back, run
from node_opcua import NodeServer
from opcua_process import free_port

pytestmark = pytest.mark.sockets
COUNT = 30


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """A server that takes little at once, and says so."""
    limits = {"maxNodesPerBrowse": 10, "maxNodesPerTranslateBrowsePathsToNodeIds": 5}
    folder = tmp_path_factory.mktemp("small")
    server = NodeServer(folder, free_port(), count=COUNT, slow=0, typed=True, limits=limits).start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """A server that takes and tells little at once, and does not say so."""
    folder, limits = tmp_path_factory.mktemp("smaller"), {"maxNodesPerBrowse": 7}
    server = NodeServer(folder, free_port(), count=COUNT, limits=limits, slow=0, page=4, silent=True).start()
    yield server
    server.kill()


@pytest.mark.parametrize("which", ["small", "smaller"])
def test_all_of_a_server_is_seen_whatever_it_takes_at_once(
    which: str, request: pytest.FixtureRequest
) -> None:
    server: NodeServer = request.getfixturevalue(which)
    words = [server.url, "--insecure", "--filter", "Press/", "--json"]
    found = {node["name"]: node for node in json.loads(run(*words))}
    assert {f"v{i}" for i in range(COUNT)} <= set(found)
    assert found["v7"]["value"] == 7
    assert (found["Temperature"]["unit"], found["Temperature"]["high"]) == ("°C", 150)
    assert "EURange" not in found


class TestTypes:
    def nodes(self, server: NodeServer) -> dict[str, dict[str, Any]]:
        words = [server.url, "--insecure", "--filter", "Typed/", "--json"]
        return {node["name"]: node for node in json.loads(run(*words))}

    def test_a_vendors_types_have_their_names_and_what_they_rest_on(self, small: NodeServer) -> None:
        types = {name: node["type"] for name, node in self.nodes(small).items()}
        assert types == {
            "Enum": "Mode (Enumeration)",
            "Word": "WORD (UInt16)",
            "StatusWord": "STATUSWORD (UInt16)",
            "Name": "String",
            "Label": "LocalizedText",
            "Since": "DateTime",
            "Any": "BaseDataType (Variant)",
            "Id": "Guid",
            "Blob": "ByteString",
            "Torn": "Structure",
            "Words": "WORD[] (UInt16)",
            "Wave": "Float[]",
        }

    def test_what_tags_can_hold_is_written_and_the_rest_counted(
        self, small: NodeServer, tmp_path: Path
    ) -> None:
        file = tmp_path / "typed.csv"
        said = run(small.url, "--insecure", "--filter", "Typed", "--csv", file).splitlines()
        assert said == [
            f"{file}: 10 tags",
            "500 left out: in an array or a structure of more than 100 values",
            "1 left out: Guid: no number, text or time",
            "1 left out: ByteString: no number, text or time",
            "1 left out: without a value now that would show its elements, fields or type",
        ]
        values = read_back(small.url, tmp_path, file)
        assert values["Words_2"] == 3
        assert values | {"Words_0": 1} == {
            "Enum": "Fault",
            "Word": 513,
            "StatusWord": 7,
            "Name": "press 7",
            "Label": "läuft",
            "Since": "2026-01-02T03:04:05+00:00",
            "Any": 2.5,
            **{f"Words_{i}": i + 1 for i in range(3)},
        }

    def test_a_value_that_cannot_be_decoded_spoils_no_other(self, small: NodeServer) -> None:
        nodes = self.nodes(small)
        assert nodes["Torn"]["status"] == "BadDecodingError"
        assert {name for name, node in nodes.items() if node["status"]} == {"Torn"}


@pytest.mark.parametrize("start", ["ns=1;s=Foo", "nsu=urn:test:plant;s=Foo", "i=999999"])
def test_a_start_that_the_server_does_not_have_is_told(small: NodeServer, start: str) -> None:
    said = run(small.url, "--insecure", "--start", start, code=1)
    assert said == f"{start}: the server has no such node (BadNodeIdUnknown)\n"


class TestNothingToWrite:
    def test_a_filter_that_nothing_contains(self, small: NodeServer, tmp_path: Path) -> None:
        file = tmp_path / "none.csv"
        for _ in range(2):
            said = run(small.url, "--insecure", "--filter", "zzz", "--csv", file, code=1)
            assert "at and below /Objects contains 'zzz'" in said
            assert not file.exists()
        assert "contains 'zzz'" in run(small.url, "--insecure", "--filter", "zzz", code=1)

    def test_nodes_that_no_tag_can_hold(self, small: NodeServer, tmp_path: Path) -> None:
        file = tmp_path / "none.csv"
        said = run(small.url, "--insecure", "--filter", "Blob", "--csv", file, code=1)
        assert f"{file}: not written: nothing of 1 nodes can be a tag: 1 left out: ByteString" in said
        said = run(small.url, "--insecure", "--depth", "0", "--csv", file, code=1)
        assert "none of them is a variable" in said
        assert not file.exists()

    def test_a_file_that_is_there_stays(self, small: NodeServer, tmp_path: Path) -> None:
        file = tmp_path / "there.csv"
        file.write_text("mine")
        assert "exists already, and is left as it is" in run(small.url, "--insecure", "--csv", file, code=1)
        assert file.read_text() == "mine"
