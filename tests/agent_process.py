"""The agent as the service it is, its log, its status, and the PLC's own view of the result block."""

import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import dense_model
import numpy as np
import psutil
from pymodbus.client import ModbusTcpClient

from edge_agent import bundle
from edge_agent.core.manifest import Input, Manifest
from edge_agent.core.steps import Affine
from edge_agent.plant.plc import crc

T = TypeVar("T")
INPUTS = ("speed", "load", "flow", "pressure")
TOLD = ("WARNING", "ERROR", "CRITICAL", "answers", "again", "proven")


def until(condition: Callable[[], T], what: str, seconds: float = 15.0) -> T:
    """Poll a condition until it holds, and return what it said."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return found


def small_bundle(path: Path, tflite: bytes, **changes: Any) -> Manifest:
    """Write the dense model as a bundle of 10 Hz for these inputs."""
    manifest = dense_model.manifest(
        **{
            "inputs": [Input(name=n, min=0, max=2000, mean=0, std=1) for n in INPUTS],
            "period": 0.1,
            "max_gap": 0.2,
            "steps": [Affine(offset=[0.0] * 4, scale=[1000.0] * 4)],
            "outputs": dense_model.limited(None),
            "model": dense_model.takes(list(INPUTS)),
            **changes,
        }
    )
    windows = np.random.default_rng(3).normal(size=(3, 4, 4)).astype(np.float32) * 500
    prepared = (windows.astype(np.float64) / 1000.0).astype(np.float32)
    bundle.write(path, manifest, tflite, dense_model.known(windows, dense_model.expected(prepared)))
    return manifest


class Frame(NamedTuple):
    """The result block as a PLC program reads it."""

    heartbeat: int
    sequence: int
    state: int
    reason: int
    score: float
    at: float


class Plc:
    """An independent Modbus client at a PLC's port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def registers(self, address: int, count: int, table: str = "holding") -> list[int]:
        with ModbusTcpClient("127.0.0.1", port=self.port, timeout=2, retries=0) as client:
            read = client.read_input_registers if table == "input" else client.read_holding_registers
            reply = read(address, count=count, device_id=1)
            assert not reply.isError(), reply
            return list(reply.registers)

    def write(self, address: int, words: list[int]) -> None:
        with ModbusTcpClient("127.0.0.1", port=self.port, timeout=2, retries=0) as client:
            assert not client.write_registers(address, words, device_id=1).isError()

    def frame(self) -> Frame:
        words = self.registers(400, 20)
        if words[0]:
            assert words[19] == crc(words[:19])
            assert words[2] == words[18]
        (score,) = struct.unpack(">f", struct.pack(">2H", words[6], words[7]))
        return Frame(words[1], words[2], words[3], words[4], score, time.monotonic())

    def others(self) -> list[int]:
        """Every holding register that is not the agent's."""
        return self.registers(100, 1) + self.registers(900, 3)

    def becomes(self, *, state: int, reason: int, seconds: float = 15.0) -> Frame:
        """Wait for this state and reason."""

        def looks() -> Frame | None:
            frame = self.frame()
            return frame if (frame.state, frame.reason) == (state, reason) else None

        return until(looks, f"state {state}, reason {reason} in the PLC, last {self.frame()}", seconds)


class AgentProcess:
    """``python -m edge_agent run CONFIG`` for the length of a with block."""

    def __init__(
        self, config: Path, environment: dict[str, str] | None = None, before: Sequence[str] = ()
    ) -> None:
        self.config, self._environment, self._before = config, environment, before
        self.state = config.parent / "state"
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [*self._before, sys.executable, "-m", "edge_agent", "run", str(self.config)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._report()
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def terminate(self, seconds: float = 10.0) -> int:
        """Send SIGTERM and return the exit code; TimeoutExpired is a failed test."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def told(self, since: int = 0) -> list[str]:
        """Log lines since a mark that say that something broke or works again."""
        return [line for line in self.lines[since:] if any(word in line for word in TOLD)]

    def status(self) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(str(self.state / "status.sock"))
            data = b""
            while piece := sock.recv(65536):
                data += piece
        return json.loads(data)

    def machine(self, name: str) -> dict[str, Any]:
        return next(m for m in self.status()["machines"] if m["name"] == name)

    @property
    def child(self) -> psutil.Process:
        """The inference child."""
        found = [
            p
            for p in psutil.Process(self.process.pid).children()
            if "inference.child" in " ".join(p.cmdline())
        ]
        assert len(found) == 1
        return found[0]

    def _report(self) -> None:
        """Print what a failed test should have: pytest shows it."""
        print("exit code", self.process.poll(), *self.lines[-40:], sep="\n")
        with suppress(OSError, ValueError):
            print("status", json.dumps(self.status()))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
