"""The running plant: both servers and the PLC's cycle, in one event loop."""

import asyncio
import contextlib
import errno
import json
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import msgspec
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

from edge_agent.plant.modbus import serial_server, tcp_server
from edge_agent.plant.station import Station

if TYPE_CHECKING:
    from edge_agent.plant.opcua import OpcUaServer

# Below Linux' ephemeral range, so that a plant can come back on its port; apart, so that they never meet.
_MODBUS_PICKS = range(20000, 26000)
_OPCUA_PICKS = range(26000, 32768)
_TRIES = 100


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen. Port 0 picks a free one; `opcua_port` None means no OPC UA. `cycle` is seconds.

    `serial` is a port for Modbus RTU as well, or empty.
    """

    host: str
    modbus_port: int
    serial: str
    opcua_port: int | None
    cycle: float


def claim_port(host: str, port: int, picks: range) -> int:
    """Return `port` if it is free, or with 0 a free one of `picks`. Raises OSError if it is taken."""
    if port:
        _probe(host, port)
        return port
    for pick in random.sample(picks, _TRIES):
        with contextlib.suppress(OSError):
            _probe(host, pick)
            return pick
    raise OSError(errno.EADDRINUSE, f"no free port on {host}")


def _probe(host: str, port: int) -> None:
    """Bind and let go: the servers report a taken port late and badly."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error


async def serve(station: Station, settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `announce` gets the JSON line with the ports when all are ready.

    Raises OSError if a port is taken.
    """
    serving = asyncio.current_task()
    assert serving is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    host = settings.host
    modbus_port = claim_port(host, settings.modbus_port, _MODBUS_PICKS)
    opcua_port = settings.opcua_port
    if opcua_port is not None:
        opcua_port = claim_port(host, opcua_port, _OPCUA_PICKS)
    ready = json.dumps({"modbus_port": modbus_port, "opcua_port": opcua_port})
    with contextlib.suppress(asyncio.CancelledError):
        async with contextlib.AsyncExitStack() as stack:
            opcua = await stack.enter_async_context(_opcua(station, host, opcua_port))
            # Last, so that nobody reads registers that no cycle has filled while OPC UA is starting.
            await stack.enter_async_context(_modbus(tcp_server(station, host, modbus_port)))
            if settings.serial:
                await stack.enter_async_context(_modbus(serial_server(station, settings.serial)))
            await _scan(station, settings.cycle, opcua, lambda: announce(ready))


@contextlib.asynccontextmanager
async def _modbus(server: ModbusTcpServer | ModbusSerialServer) -> AsyncIterator[None]:
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call] # of the union, not of either


@contextlib.asynccontextmanager
async def _opcua(station: Station, host: str, port: int | None) -> AsyncIterator["OpcUaServer | None"]:
    if port is None:
        yield None
        return
    from edge_agent.plant.opcua import OpcUaServer  # noqa: PLC0415 - half a second that --no-opcua saves

    server = OpcUaServer(station.source)
    await server.start(host, port)
    try:
        yield server
    finally:
        await server.stop()


async def _scan(
    station: Station, cycle: float, opcua: "OpcUaServer | None", ready: Callable[[], None]
) -> None:
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
