"""Mosquitto at a port of its own."""

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

from sources import EXAMPLES


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Broker:
    """``/usr/sbin/mosquitto`` with what it is given as its whole configuration, but for whom it runs as."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        lines = [f"listener {self.port} 127.0.0.1", *(options or ["allow_anonymous true"])]
        self._write(folder, "\n".join([*lines, "max_queued_messages 0"]))

    @classmethod
    def of_example(cls, folder: Path) -> "Broker":
        """The fleet's broker of examples/, with its certificates and all that it keeps in `folder`."""
        made = cls(folder)
        text = (
            (EXAMPLES / "fleet/mosquitto.conf").read_text().replace("listener 8883", f"listener {made.port}")
        )
        shutil.copy(EXAMPLES / "fleet/fleet.acl", folder)
        for there in ("/etc/mosquitto/certs/", "/etc/mosquitto/", "/var/lib/mosquitto/"):
            assert there in text
            text = text.replace(there, f"{folder}/")
        made._write(folder, text)
        return made

    def start(self) -> "Broker":
        self._process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(self._file)])
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it as systemd does: it puts on the disk what it is to keep."""
        if self._process is not None:
            self._process.terminate()
            assert self._process.wait(10) == 0
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _write(self, folder: Path, text: str) -> None:
        self._file = folder / f"mosquitto-{self.port}.conf"
        self._file.write_text(f"{text}\nuser root\nlog_type error\n")
        self._process: subprocess.Popen[bytes] | None = None
