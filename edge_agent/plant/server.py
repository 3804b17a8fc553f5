"""The running plant: both servers and the PLC's cycle, in one event loop."""

import asyncio
import contextlib
import errno
import json
import logging
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable

import msgspec

from edge_agent.plant.modbus import modbus_server
from edge_agent.plant.opcua import OpcUaServer
from edge_agent.plant.station import Station

log = logging.getLogger(__name__)

_PICK_FROM = range(20000, 32768)  # below Linux' ephemeral range, so that a plant can come back on its port
_PICKS = 100


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen. Port 0 picks a free one; `opcua_port` None means no OPC UA. `cycle` is seconds."""

    host: str
    modbus_port: int
    opcua_port: int | None
    cycle: float


def free_port(host: str) -> int:
    """Return a port that nobody listens on now. Raises OSError if there is none."""
    family = socket.getaddrinfo(host, None)[0][0]
    for port in random.sample(_PICK_FROM, _PICKS):
        with socket.socket(family) as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError(errno.EADDRINUSE, f"no free port on {host}")


async def serve(station: Station, settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `announce` gets the JSON line with the ports when all are ready.

    Raises OSError if a port is taken.
    """
    serving = asyncio.current_task()
    assert serving is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with contextlib.AsyncExitStack() as stack:
            modbus_port = await stack.enter_async_context(_modbus(station, settings))
            opcua = await stack.enter_async_context(_opcua(station, settings))
            ports = {"modbus_port": modbus_port, "opcua_port": opcua[1] if opcua else None}
            await _scan(
                station, settings.cycle, opcua[0] if opcua else None, lambda: announce(json.dumps(ports))
            )


@contextlib.asynccontextmanager
async def _modbus(station: Station, settings: Settings) -> AsyncIterator[int]:
    port = settings.modbus_port or free_port(settings.host)
    server = modbus_server(station, settings.host, port)
    try:
        await server.serve_forever(background=True)
    except RuntimeError as error:  # pymodbus logs the OSError and raises this
        raise OSError(errno.EADDRINUSE, f"cannot listen on {settings.host}:{port}") from error
    try:
        yield port
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@contextlib.asynccontextmanager
async def _opcua(station: Station, settings: Settings) -> AsyncIterator[tuple[OpcUaServer, int] | None]:
    if settings.opcua_port is None:
        yield None
        return
    port = settings.opcua_port or free_port(settings.host)
    server = OpcUaServer(station.source)
    await server.start(settings.host, port)
    try:
        yield server, port
    finally:
        await server.stop()


async def _scan(station: Station, cycle: float, opcua: OpcUaServer | None, ready: Callable[[], None]) -> None:
    """Run the PLC's cycle on a tick that does not drift. `ready` is called after the first cycle."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    tick = 0
    while True:
        if opcua:
            await opcua.fetch_result(station.memory)
        decision = station.cycle(loop.time() - start)
        if opcua:
            await opcua.publish(station.memory, decision.heartbeat)
        if tick == 0:
            ready()
        tick = max(tick + 1, int((loop.time() - start) / cycle))
        await asyncio.sleep(start + tick * cycle - loop.time())
