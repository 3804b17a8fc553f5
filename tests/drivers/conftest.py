"""Servers of node-opcua that several files of tests talk to, and leave as they were."""

from collections.abc import Iterator

import pytest
from node_opcua import NodeServer
from odd_server import odd_server
from opcua_process import free_port


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """A server with nodes of every type and a thousand numbers, v0, v1 and so on."""
    server = NodeServer(tmp_path_factory.mktemp("plant"), free_port(), every=True, count=1000).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """A server that is odd in all that servers in plants are odd in."""
    server = odd_server(tmp_path_factory.mktemp("odd"), free_port()).start()
    yield server
    server.kill()
