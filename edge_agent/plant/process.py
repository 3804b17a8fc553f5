"""The plant as a child process, for tests and the demo."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Self

START_DEADLINE = 30.0  # s; OPC UA builds its address space first
STOP_DEADLINE = 10.0  # s


class PlantFailed(Exception):
    """The plant did not start; the message holds what it said."""


class PlantProcess:
    """``python -m edge_agent.plant serve ARGS`` for the length of a with block.

    Both ports are picked free unless `args` name them. `opcua_port` is None with ``--no-opcua``.
    Entering raises `PlantFailed` if the plant ends or is not ready within `START_DEADLINE`.
    """

    modbus_port: int
    opcua_port: int | None

    def __init__(self, *args: str) -> None:
        self._args = args

    def __enter__(self) -> Self:
        self._stderr = tempfile.TemporaryFile()
        command = [
            sys.executable,
            "-m",
            "edge_agent.plant",
            "serve",
            "--modbus-port",
            "0",
            "--opcua-port",
            "0",
        ]
        self._process = subprocess.Popen(
            [*command, *self._args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._stderr
        )
        try:
            ports = json.loads(self._first_line())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.modbus_port, self.opcua_port = ports["modbus_port"], ports["opcua_port"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._stderr.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def kill(self) -> int:
        """End it at once, as a power cut would, if it still runs. Returns the exit code."""
        self._process.kill()
        return self._process.wait(STOP_DEADLINE)

    def terminate(self) -> int:
        """Ask it to end and wait. Returns the exit code.

        Raises subprocess.TimeoutExpired if it does not end within `STOP_DEADLINE`.
        """
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_DEADLINE)

    def _first_line(self) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        deadline = time.monotonic() + START_DEADLINE
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([pipe], [], [], max(deadline - time.monotonic(), 0.0))
            piece = os.read(pipe, 4096) if ready else b""
            if not piece:
                raise PlantFailed(f"{'ended' if ready else 'not ready in time'}: {self._said()}")
            line += piece
        return line

    def _said(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace").strip()
