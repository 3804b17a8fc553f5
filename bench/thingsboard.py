"""What it costs to poll the same registers as ThingsBoard Gateway does: in turns, then side by side.

    python bench/thingsboard.py [--seconds 30] [--devices 10] [--registers 100] [--period 1]

Every device is a server of its own on libmodbus, which counts the requests that it answers. The gateway
comes from PyPI into an environment that is thrown away; mosquitto stands for its platform. Processor time and
memory are those of all processes of each. Needs uv (or its path in UV), mosquitto, gcc, pkg-config and
libmodbus-dev.
"""

import argparse
import socket
import sys
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import gateway
import msgspec
import psutil
from fleet import agent, cpu, seen
from gateway import Platform, Way
from peers import HERE, compiled, running

sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests" / "north")]
from broker import Broker  # type: ignore[import-not-found]  # noqa: E402

WAYS = [
    Way("an entry each", False, "ON_RECEIVED"),
    Way("a range", True, "ON_RECEIVED"),
    Way("a range, changes told", True, "ON_CHANGE"),
]
"""As its examples have it; as it reads best; and without the work of telling values that stand still."""
COUNTER = 65534
"""The input registers in which a server counts, see `many.c`."""


class Plant(msgspec.Struct, frozen=True):
    """Servers, one a device; all of their first `registers` are read every `period`, in s."""

    ports: list[int]
    registers: int
    period: float

    def requests(self) -> int:
        """How many requests all servers have answered, these included."""
        return sum(map(answered, self.ports))


def answered(port: int) -> int:
    """Ask a server for its count."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(bytes([0, 1, 0, 0, 0, 6, 1, 4]) + COUNTER.to_bytes(2, "big") + b"\0\2")
        reply = connection.recv(64)
    assert len(reply) == 13
    return int.from_bytes(reply[9:], "big")


def ours(folder: Path, plant: Plant) -> AbstractContextManager[psutil.Process]:
    """The agent on the plant, as a service."""
    rows = "".join(f"r{n},holding,{n},uint16\n" for n in range(plant.registers))
    (folder / "tags.csv").write_text("name,table,address,type\n" + rows)
    parts = [
        f'[device.d{n}]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\nscan = {plant.period}\n'
        'tags = "tags.csv"\n'
        for n, port in enumerate(plant.ports)
    ]
    (folder / "config.toml").write_text('[agent]\nname = "bench"\nstate = "state"\n' + "".join(parts))
    return agent(folder / "config.toml")


class Both(msgspec.Struct):
    """What runs: the agent, the gateway, or both at once. None for what does not run."""

    plant: Plant
    agent: psutil.Process | None = None
    state: Path | None = None
    gateway: psutil.Process | None = None
    way: Way | None = None

    def measure(self, platform: Platform, seconds: float) -> None:
        """Print a line for each. What the agent did not ask, as it tells, was asked by the gateway."""
        began, told, reads, requests = time.monotonic(), platform.values, self._reads(), self.plant.requests()
        before = [cpu(p) if p else 0.0 for p in (self.agent, self.gateway)]
        time.sleep(seconds)
        mine, theirs = (
            cpu(p) - b if p else 0.0 for p, b in zip((self.agent, self.gateway), before, strict=True)
        )
        requests = self.plant.requests() - requests - len(self.plant.ports)
        reads, told, took = self._reads() - reads, platform.values - told, time.monotonic() - began
        if self.agent:
            tell("edge-agent", self.agent, mine, took, reads, reads * self.plant.registers)
        if self.gateway and self.way:
            asked = requests - reads
            tags = asked * self.way.tags_per_request(self.plant.registers)
            tell(
                f"ThingsBoard, {self.way.name}",
                self.gateway,
                theirs,
                took,
                asked,
                tags,
                f"  {told / took:.0f} values/s told",
            )
        if self.agent and not self.gateway:
            assert abs(requests - reads) <= 2 * len(self.plant.ports), "the servers count otherwise"

    def _reads(self) -> int:
        return sum(d.reads for d in seen(self.state).devices) if self.state else 0


def tell(
    name: str, process: psutil.Process, spent: float, took: float, requests: int, tags: float, more: str = ""
) -> None:
    rss = sum(p.memory_info().rss for p in (process, *process.children())) / 1e6
    line = (
        f"{name:36}{100 * spent / took:6.2f} % CPU  {1e6 * spent / tags:7.1f} us/tag  "
        f"{tags / took:6.0f} tags/s  {requests / took:6.1f} requests/s  {rss:4.0f} MB{more}"
    )
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--registers", type=int, default=100)
    parser.add_argument("--period", type=float, default=1.0)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        python = gateway.installed(folder)
        server = compiled(folder, HERE / "many.c")
        ports = [stack.enter_context(running(server)) for _ in range(chosen.devices)]
        plant = Plant(ports, chosen.registers, chosen.period)
        broker = Broker(folder).start()
        stack.callback(broker.kill)
        platform = Platform(broker.port)
        turns: list[tuple[bool, Way | None]] = [(True, None)]
        turns += [(False, way) for way in WAYS] + [(True, way) for way in WAYS]
        for n, (with_agent, way) in enumerate(turns):
            own = folder / str(n)
            own.mkdir()
            both = Both(plant)
            with ExitStack() as runs:
                if with_agent:
                    both.agent, both.state = runs.enter_context(ours(own, plant)), own / "state"
                if way:
                    gateway.configure(own, python, ports, plant.registers, plant.period, way, broker.port)
                    both.gateway, both.way = runs.enter_context(gateway.started(own, python, platform)), way
                print("side by side:" if with_agent and way else "alone:")
                both.measure(platform, chosen.seconds)


if __name__ == "__main__":
    main()
