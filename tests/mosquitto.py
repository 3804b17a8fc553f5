"""Mosquitto at a port of its own."""

import contextlib
import socket
import subprocess
import time
from pathlib import Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Broker:
    """``/usr/sbin/mosquitto``; `options` are lines of its configuration."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._file = folder / f"mosquitto-{self.port}.conf"
        lines = [f"listener {self.port} 127.0.0.1", *(options or ["allow_anonymous true"])]
        self._file.write_text("\n".join([*lines, "user root", "max_queued_messages 0", "log_type error", ""]))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Broker":
        self._process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(self._file)])
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
