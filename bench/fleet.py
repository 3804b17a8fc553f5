"""What it costs to poll many devices, as the service does it, beside libmodbus' own client.

    python bench/fleet.py [--seconds 20] [--only NAME]

The agent runs as the service does; processor time and memory are those of all its processes. One server in C
on libmodbus plays every device. Needs gcc, pkg-config and libmodbus-dev.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
from peers import HERE, compiled, running

from edge_agent import bundle
from edge_agent.demo.site import SHIPPED
from edge_agent.status import NotRunning, Status, ask

SETTLED = 4.0
"""Seconds from the first answer of its status socket until every device is read and the model proven."""
START = 120.0
"""Seconds for reading and planning a large configuration."""
MACHINE = """
[machine.pump]
bundle = "bearing.bundle"
[machine.pump.inputs]
"""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """`tags` in each of `devices`, every `period` seconds, at random among the first `among` registers.

    With a `machine`, in shadow mode, the first device also feeds a model.
    """

    devices: int
    tags: int
    period: float
    among: int
    types: tuple[str, ...] = ("uint16", "int16", "float32", "uint32")
    machine: bool = False

    def write(self, folder: Path, port: int) -> Path:
        """Write configuration and tag files."""
        (folder / "bearing.bundle").write_bytes(SHIPPED.read_bytes())
        names = [i.name for i in bundle.read(SHIPPED).manifest.inputs]
        parts = ['[agent]\nname = "bench"\nstate = "state"\n']
        choose = random.Random(1)
        for n in range(self.devices):
            offsets = sorted(
                choose.sample(range(0, self.among, 2 if self.among > self.tags else 1), self.tags)
            )
            kinds = self.types if self.among > self.tags else self.types[:1]
            rows = [f"t{i},holding,{o},{choose.choice(kinds)}" for i, o in enumerate(offsets)]
            (folder / f"d{n}.csv").write_text("name,table,address,type\n" + "\n".join(rows) + "\n")
            parts.append(
                f'[device.d{n}]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n'
                f'scan = {self.period}\ntags = "d{n}.csv"\n'
            )
        if self.machine:
            parts += [MACHINE, *(f'{name} = "d0.t{i}"\n' for i, name in enumerate(names))]
        (folder / "config.toml").write_text("".join(parts))
        return folder / "config.toml"


FLEETS = {
    "10,000 tags at 1 s, 50 devices": Fleet(devices=50, tags=200, period=1.0, among=1000),
    "1,000 tags at 100 ms, 10 devices": Fleet(devices=10, tags=100, period=0.1, among=500),
    "the same, and a model": Fleet(devices=10, tags=100, period=0.1, among=500, machine=True),
    "100,000 tags at 1 s, 50 devices": Fleet(devices=50, tags=2000, period=1.0, among=10_000),
    "50 devices at 100 ms, 100 in a row": Fleet(devices=50, tags=100, period=0.1, among=100),
}


@contextmanager
def agent(config: Path) -> Iterator[psutil.Process]:
    """The service, once it has settled."""
    command = [sys.executable, "-m", "edge_agent", "run", str(config), "--log-level", "warning"]
    with subprocess.Popen(command) as process:
        try:
            until = time.monotonic() + START
            while not (config.parent / "state" / "status.sock").exists():
                assert process.poll() is None, "the agent ended"
                assert time.monotonic() < until, "the agent did not start"
                time.sleep(0.1)
            time.sleep(SETTLED)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def cpu(process: psutil.Process) -> float:
    """Seconds of processor time of a process and its children."""
    return sum(sum(p.cpu_times()[:2]) for p in (process, *process.children()))


def seen(state: Path) -> Status:
    """The agent's own view; a busy one is asked again."""
    for _ in range(5):
        try:
            return ask(state)
        except NotRunning as error:
            busy = error
    raise busy


def measure(folder: Path, fleet: Fleet, port: int, seconds: float) -> tuple[str, float]:
    """Return a line of the table, and microseconds of processor time a request."""
    config = fleet.write(folder, port)
    with agent(config) as process:
        before, began, spent = seen(folder / "state"), time.monotonic(), cpu(process)
        time.sleep(seconds)
        after, took, spent = seen(folder / "state"), time.monotonic() - began, cpu(process) - spent
        rss = sum(p.memory_info().rss for p in (process, *process.children())) / 1e6
    reads = sum(d.reads for d in after.devices) - sum(d.reads for d in before.devices)
    failures = sum(d.failures for d in after.devices)
    overruns = sum(s.overruns for s in after.scans) - sum(s.overruns for s in before.scans)
    requests = reads * requests_per_read(config)
    line = (
        f"{100 * spent / took:6.1f} % CPU  {rss:5.0f} MB  {requests / took:7.0f} requests/s  "
        f"{1e6 * spent / requests:6.1f} us/request  {overruns} overruns  {failures} failures"
    )
    return line, 1e6 * spent / requests


def requests_per_read(config: Path) -> float:
    """How many requests one scan of one device takes, on average."""
    from edge_agent.build import driver_of
    from edge_agent.config import load

    devices = load(config).devices
    plans = [driver_of(d.table).plan_read([s.tag for s in d.tags]) for d in devices]
    return sum(len(plan.requests) for plan in plans) / len(plans)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--only", default="", help="part of a fleet's name")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        poll = compiled(folder, HERE / "poll.c")
        with running(compiled(folder, HERE / "many.c")) as port:
            for n, (name, fleet) in enumerate(FLEETS.items()):
                if chosen.only not in name:
                    continue
                own = folder / str(n)
                own.mkdir()
                line, mine = measure(own, fleet, port, chosen.seconds)
                print(f"{name:36}{line}", flush=True)
                if fleet.among == fleet.tags:
                    for staggered, when in enumerate(("at once", "each at its own time")):
                        theirs = libmodbus(poll, port, fleet, chosen.seconds, staggered)
                        print(f"  libmodbus, {when:30}{theirs:6.1f} us/request, {mine / theirs:.2f}")


def libmodbus(poll: Path, port: int, fleet: Fleet, seconds: float, staggered: int) -> float:
    """Microseconds of processor time that libmodbus' client takes for one of the same requests."""
    ticks = int(seconds / fleet.period)
    numbers = [port, fleet.devices, fleet.tags, ticks, int(fleet.period * 1e6), staggered]
    ended = subprocess.run([str(poll), *map(str, numbers)], capture_output=True, check=True)
    return int(ended.stdout) / 1000


if __name__ == "__main__":
    main()
