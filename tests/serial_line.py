"""Serial lines without hardware: a pair of ports joined by socat, and a port whose other end a test holds."""

import asyncio
import os
import subprocess
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from edge_agent.config.links import Link, SerialTable
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.links import Links


@contextmanager
def joined(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Two ports; what goes into one comes out of the other."""
    ends = folder / "ours", folder / "theirs"
    with subprocess.Popen(["socat", *(f"pty,raw,echo=0,link={end}" for end in ends)]) as socat:
        try:
            deadline = time.monotonic() + 10
            while not all(end.exists() for end in ends):
                assert time.monotonic() < deadline, "socat made no ports"
                time.sleep(0.01)
            yield ends
        finally:
            socat.kill()


def on_line(port: Path, unit: int = 1, *, timeout: float = 0.5, **keys: object) -> Modbus:
    """A driver on a serial port, as the configuration makes it; a pseudo-terminal has 8 data bits."""
    given = {"transport": "rtu", "parity": "none", "data_bits": 8, "baud": 115200} | keys
    table = SerialTable(serial=str(port), **given)  # type: ignore[arg-type]
    return Modbus(Links().of(Link(name="line", table=table)), unit, timeout=timeout)


Answer = Callable[["Peer", bytes], None]


class Peer:
    """The other end of a port. `answer` gets every request and may `say` anything, at any time."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._master, self._slave = os.openpty()
        for end in (self._master, self._slave):
            tty.setraw(end)
        self.port = Path(os.ttyname(self._slave))
        self._later: list[asyncio.TimerHandle] = []

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._master, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._later:
            handle.cancel()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)

    def say(self, data: bytes, after: float = 0.0) -> None:
        if after:
            self._later.append(asyncio.get_running_loop().call_later(after, self.say, data))
        else:
            os.write(self._master, data)

    def _heard(self) -> None:
        self.answer(self, os.read(self._master, 4096))
