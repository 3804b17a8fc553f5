"""What open pages cost the agent: 1,000 tags at 1 Hz that all change; no page, a page, ten of them open.

    python bench/web.py [--seconds 30]

The agent runs as the service does; processor time and memory are those of all its processes. Needs gcc,
pkg-config and libmodbus-dev.
"""

import argparse
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil
from fleet import Fleet, agent, cpu
from peers import HERE, compiled, running

from edge_agent import bundle

PAGES = 10
FLEET = Fleet(devices=10, tags=100, period=1.0, among=500)
PUMP = """
[device.fast]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {plc}
scan = 0.1
tags = "fast.csv"
[machine.pump]
bundle = "bearing.bundle"
[machine.pump.inputs]
"""
"""A machine at 10 Hz beside the thousand tags."""
CONFIG = '\n[web]\nlisten = "127.0.0.1:{port}"\n'
WRITE = struct.Struct(">HHHBBHHB")


@contextmanager
def changing(port: int) -> Iterator[None]:
    """Every register of the fleet gets another value once a second."""
    stop = threading.Event()

    def change() -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            number = 0
            while not stop.wait(1.0):
                number += 1
                for first in range(0, 600, 100):
                    words = struct.pack(
                        ">100H", *((number * 7 + n) % 60_000 for n in range(first, first + 100))
                    )
                    sock.sendall(WRITE.pack(number & 0xFFFF, 0, 207, 1, 16, first, 100, 200) + words)
                    sock.recv(64)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Reader:
    """One open page: reads the stream and counts."""

    def __init__(self, port: int) -> None:
        self.bytes = self.snapshots = 0
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._sock.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while piece := self._sock.recv(1 << 20):
            self.bytes += len(piece)
            self.snapshots += piece.count(b"event: snapshot")

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()


def measure(config: Path, seconds: float, pages: int, port: int) -> None:
    with agent(config) as process, ExitStack() as stack:
        readers = [Reader(port) for _ in range(pages)]
        for reader in readers:
            stack.callback(reader.close)
        time.sleep(2)
        before, spent, began = sum(r.bytes for r in readers), cpu(process), time.monotonic()
        time.sleep(seconds)
        took, spent = time.monotonic() - began, cpu(process) - spent
        sent = (sum(r.bytes for r in readers) - before) / took / 1000
        rss = sum(p.memory_info().rss for p in (process, *process.children())) / 1e6
        print(
            f"{100 * spent / took:6.2f} % CPU  {rss:5.0f} MB  {sent:7.1f} kB/s to {pages} pages", flush=True
        )
        if pages:
            scrape(port, process)


def scrape(port: int, process: psutil.Process) -> None:
    spent, rounds = cpu(process), 50
    for _ in range(rounds):
        with urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            size = len(reply.read())
    print(f"{'  /metrics':28}{1000 * (cpu(process) - spent) / rounds:6.2f} ms of CPU, {size / 1000:.1f} kB")


def configured(folder: Path, plc: int, port: int | None) -> Path:
    """Write the configuration, with a page at `port`."""
    config = FLEET.write(folder, plc)
    names = [i.name for i in bundle.read(folder / "bearing.bundle").manifest.inputs]
    rows = [f"{name},holding,{2 * n},uint16" for n, name in enumerate(names)]
    (folder / "fast.csv").write_text("name,table,address,type\n" + "\n".join(rows) + "\n")
    inputs = "".join(f'{name} = "fast.{name}"\n' for name in names)
    page = CONFIG.format(port=port) if port else ""
    config.write_text(config.read_text() + PUMP.format(plc=plc) + inputs + page)
    return config


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--seconds", type=float, default=30)
    seconds = arguments.parse_args().seconds
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with running(compiled(folder, HERE / "many.c")) as plc, changing(plc):
            for name, pages in (("without the page", -1), ("no page open", 0), ("ten pages open", PAGES)):
                own = folder / name.replace(" ", "-")
                own.mkdir()
                port = free_port()
                config = configured(own, plc, port if pages >= 0 else None)
                print(f"{name:20}", end="", flush=True)
                measure(config, seconds, max(0, pages), port)


if __name__ == "__main__":
    main()
