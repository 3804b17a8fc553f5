"""`opcua_server.py` in a process of its own, always at the same port."""

import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

from edge_agent.core.tags import Tag
from edge_agent.drivers.opcua.address import parse_address

PLANT = "nsu=urn:test:plant;s="


def tags(*names: str) -> list[Tag]:
    return [Tag(name=name, address=parse_address(PLANT + name)) for name in names]


def free_port() -> int:
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Server:
    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *namespaces: str) -> None:
        script = Path(__file__).with_name("opcua_server.py")
        command = [sys.executable, str(script), str(self.port), *namespaces]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        with self.process.stdout as output:
            assert output.readline() == b"ready\n"

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
