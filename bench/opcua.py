"""OPC UA beside a bare asyncua loop and node-opcua's client, on the same server; and a thousand reconnects.

python bench/opcua.py                 1,000 nodes at 100 ms by subscription, 10,000 at 1 s by reading
python bench/opcua.py --reconnect 1000 [--secured]

Each client is a process of its own on one core, the server on the other. CPU is that of the client.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "drivers")]
URI = "urn:test:plant"


def memory() -> float:
    """RSS in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def ours(url: str, count: int, period: float, seconds: float, *, subscribe: bool) -> int:
    from edge_agent.core.tags import Tag
    from edge_agent.drivers.opcua.address import Monitored, parse_address
    from edge_agent.drivers.opcua.driver import OpcUa

    monitored = Monitored(period) if subscribe else None
    driver = OpcUa(url, 10)
    tags = [
        Tag(name=f"v{i}", address=parse_address(f"nsu={URI};s=v{i}", "", monitored)) for i in range(count)
    ]
    plan = driver.plan_read(tags)
    await driver.connect()
    changes, last = 0, None
    started = await begin()
    for tick in range(1, int(seconds / period) + 1):
        columns = await driver.read(plan)
        assert (columns.quality == 2).all()
        changes += count if last is None else int((columns.value != last).sum())
        last = columns.value
        await asyncio.sleep(max(0, started + tick * period - time.monotonic()))
    await end(changes)
    await driver.close()
    return changes


async def verified_writes(url: str, count: int, period: float, seconds: float, *, subscribe: bool) -> None:
    """Write three outputs and read them back ten times a second, while `count` nodes are scanned."""
    from edge_agent.core.tags import Tag
    from edge_agent.device import Device, Written
    from edge_agent.drivers.opcua.address import Monitored, parse_address
    from edge_agent.drivers.opcua.driver import OpcUa

    device = Device("plc", OpcUa(url, 10))
    monitored = Monitored(period) if subscribe else None
    names = [f"v{i}" for i in range(count)]
    scanned = device.plan(
        [Tag(name=n, address=parse_address(f"nsu={URI};s={n}", "", monitored)) for n in names]
    )
    outputs = device.declare(
        [Tag(name=n, address=parse_address(f"nsu={URI};s={n}")) for n in ("Vibration", "Count", "State")]
    )
    tasks = [asyncio.create_task(device.run())]
    while not device.healthy:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.1)
    started, took = await begin(), []

    async def scan() -> None:
        for tick in range(1, int(seconds / period) + 1):
            assert ((await device.read(scanned, count)).quality == 2).all()
            await asyncio.sleep(max(0, started + tick * period - time.monotonic()))

    tasks.append(asyncio.create_task(scan()))
    for n in range(int(10 * seconds)):
        before = time.perf_counter()
        outcome, detail = await device.write(outputs, [n, n, n])
        assert outcome is Written.VERIFIED, detail
        took.append(1000 * (time.perf_counter() - before))
        await asyncio.sleep(max(0, started + (n + 1) / 10 - time.monotonic()))
    await end(len(took), p50=statistics.median(took), p99=statistics.quantiles(took, n=100)[98])
    for task in tasks:
        task.cancel()
    await device.close()


async def asyncua_read(url: str, count: int, period: float, seconds: float) -> None:
    from asyncua import Client

    async with Client(url, timeout=10) as client:
        index = await client.get_namespace_index(URI)
        nodes = [client.get_node(f"ns={index};s=v{i}") for i in range(count)]
        started, values = await begin(), 0
        for tick in range(1, int(seconds / period) + 1):
            for start in range(0, count, 1000):
                values += len(await client.read_values(nodes[start : start + 1000]))
            await asyncio.sleep(max(0, started + tick * period - time.monotonic()))
        await end(values)


async def asyncua_subscribe(url: str, count: int, period: float, seconds: float) -> None:
    from asyncua import Client

    async with Client(url, timeout=10) as client:
        index = await client.get_namespace_index(URI)
        nodes = [client.get_node(f"ns={index};s=v{i}") for i in range(count)]
        subscription = await client.create_subscription(period * 1000, queue_maxsize=100_000)
        await subscription.subscribe_data_change(nodes, queuesize=1, sampling_interval=period * 1000)
        started, values = await begin(), 0
        async for _ in subscription:
            values += 1
            if time.monotonic() > started + seconds:
                break
        await end(values)


async def begin() -> float:
    """Wait until what the start costs is over."""
    await asyncio.sleep(2)
    times = os.times()
    os.environ["CPU_AT_START"] = str(times.user + times.system)
    os.environ["STARTED"] = str(time.monotonic())
    return time.monotonic()


async def end(values: int, **more: float) -> None:
    times = os.times()
    cpu = times.user + times.system - float(os.environ["CPU_AT_START"])
    wall = time.monotonic() - float(os.environ["STARTED"])
    told = {
        "core": cpu / wall,
        "values": values / wall,
        "us": 1e6 * cpu / max(1, values),
        "rss": memory(),
        **more,
    }
    print(json.dumps(told), flush=True)


CLIENTS: dict[str, Callable[[str, int, float, float], Coroutine[Any, Any, Any]]] = {
    "edge-agent, read": lambda *a: ours(*a, subscribe=False),
    "asyncua, read": asyncua_read,
    "edge-agent, subscribe": lambda *a: ours(*a, subscribe=True),
    "asyncua, subscribe": asyncua_subscribe,
    "verified write, read": lambda *a: verified_writes(*a, subscribe=False),
    "verified write, subscribe": lambda *a: verified_writes(*a, subscribe=True),
}


async def reconnect(url: str, times: int, pki: Path | None) -> None:
    """Connect, read, lose the socket, `times` times: memory, tasks and descriptors have to stay.

    With `pki`, our folder of certificates, by Basic256Sha256, signed and encrypted.
    """
    from edge_agent.core.tags import Tag
    from edge_agent.drivers import LinkDown
    from edge_agent.drivers.opcua.address import Monitored, parse_address
    from edge_agent.drivers.opcua.driver import OpcUa
    from edge_agent.drivers.opcua.security import Security

    security = Security(pki, policy="Basic256Sha256") if pki else None
    driver = OpcUa(url, 10, security, expiry=5)
    subscribed = Tag(name="v0", address=parse_address(f"nsu={URI};s=v0", "", Monitored(0.1)))
    read = Tag(name="v1", address=parse_address(f"nsu={URI};s=v1"))
    plans = [driver.plan_read([subscribed]), driver.plan_read([read])]
    seen, started = [], time.monotonic()
    for done in range(times + 1):
        await driver.connect()
        for plan in plans:
            await driver.read(plan)
        driver.session._client.uaclient.protocol.transport.abort()  # noqa: SLF001
        await asyncio.sleep(0)
        try:
            await driver.read(plans[1])
        except LinkDown:
            await driver.close()
        else:
            raise AssertionError("a socket that is gone must be a dead link")
        if done % max(1, times // 10) == 0:
            await asyncio.sleep(0.1)
            gc.collect()
            state = memory(), len(asyncio.all_tasks()), descriptors()
            seen.append(state)
            took = time.monotonic() - started
            print(
                f"{done:6} {took:6.0f} s {state[0]:7.1f} MB {state[1]} tasks {state[2]} descriptors",
                flush=True,
            )
    first, last = seen[1], seen[-1]
    assert last[1:] == first[1:], "tasks or descriptors were left"
    assert last[0] < first[0] + 5, "memory was left"


PEERS = ("node-opcua, read", "node-opcua, subscribe")
"""Clients by `tests/peers/opcua/bench.js`."""


def command_of(name: str, url: str, count: int, period: float, seconds: float) -> list[str]:
    if name not in PEERS:
        return [sys.executable, __file__, "--client", name, url, str(count), str(period), str(seconds)]
    import npm_peer  # type: ignore[import-not-found]

    options = {"url": url, "namespace": URI, "count": count, "period": period, "seconds": seconds}
    options["subscribe"] = name.endswith("subscribe")
    return ["node", str(npm_peer.install("opcua") / "bench.js"), json.dumps(options)]


def on_core(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command] if (os.cpu_count() or 1) > 1 else command


def table(seconds: float, only: str) -> None:
    from node_opcua import NodeServer  # type: ignore[import-not-found]
    from opcua_process import free_port  # type: ignore[import-not-found]

    for count, period, kind in ((1000, 0.1, "subscribe"), (10_000, 1.0, "read")):
        with tempfile.TemporaryDirectory() as folder:
            server = NodeServer(Path(folder), free_port(), count=count, rate=int(1000 * period))
            server.start()
            assert server.process is not None
            os.sched_setaffinity(server.process.pid, {0})
            try:
                for name in (n for n in (*CLIENTS, *PEERS) if n.endswith(kind) and only in n):
                    command = command_of(name, server.url, count, period, seconds)
                    command = on_core((os.cpu_count() or 1) - 1, command)
                    told = json.loads(
                        subprocess.run(
                            command, check=True, stdout=subprocess.PIPE, timeout=60 + 2 * seconds
                        ).stdout.splitlines()[-1]  # node-opcua warns on standard output
                    )
                    print(
                        f"{count:6} nodes at {period:g} s  {name:<26} {100 * told['core']:5.1f} % of a core "
                        f"{told['values']:8.0f} values/s {told['us']:6.1f} us/value {told['rss']:6.1f} MB"
                        + (f"  p50 {told['p50']:.1f} ms, p99 {told['p99']:.1f} ms" if "p99" in told else ""),
                        flush=True,
                    )
            finally:
                server.kill()


def reconnects(times: int, *, secured: bool) -> None:
    from authority import identity  # type: ignore[import-not-found]
    from node_opcua import NodeServer
    from opcua_process import free_port

    from edge_agent.pki.folder import PkiFolder

    with tempfile.TemporaryDirectory() as name:
        folder, plc = Path(name), identity("plc", hosts=("localhost",))
        policies = ["Basic256Sha256"] if secured else []
        server = NodeServer(folder, free_port(), plc, policies=policies, count=2, maxSessions=10_000)
        pki = PkiFolder(folder / "pki")
        server.trust(pki.own(datetime.now(UTC))[0].file.read_bytes())
        pki.add("trusted/certs", plc.der, "plc.der")
        server.start()
        try:
            asyncio.run(reconnect(server.url, times, pki.folder if secured else None))
        finally:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", default="", help="part of a client's name")
    parser.add_argument("--reconnect", type=int)
    parser.add_argument("--secured", action="store_true", help="reconnect by Basic256Sha256")
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.client:
        name, url, count, period, seconds = options.client
        asyncio.run(CLIENTS[name](url, int(count), float(period), float(seconds)))
    elif options.reconnect:
        reconnects(options.reconnect, secured=options.secured)
    else:
        table(options.seconds, options.only)


if __name__ == "__main__":
    main()
