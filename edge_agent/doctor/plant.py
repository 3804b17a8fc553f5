"""What a configuration asks of this box: models in time, serial ports, the port of its page."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from edge_agent.build import SHORTEST_DEADLINE
from edge_agent.bundle import Bundle
from edge_agent.config import Config
from edge_agent.config.links import SerialTable
from edge_agent.config.tables import ModbusTable
from edge_agent.config.web import Web
from edge_agent.doctor.bench import measured
from edge_agent.doctor.finding import Finding, bad, warn, well
from edge_agent.doctor.north import broker
from edge_agent.inference.process import InferenceFailed
from edge_agent.inference.timing import Latency
from edge_agent.scan import WAIT
from edge_agent.status import NotRunning, ask


def look(config: Config, state: Path) -> list[Finding]:
    """Look at everything but the PLCs; takes some seconds for each bundle."""
    bundles = {machine.bundle.sha256: machine.bundle for machine in config.machines}
    ports = sorted(set(_serial_ports(config)))
    found = [model(bundle) for bundle in bundles.values()]
    found += [serial(port) for port in ports]
    if config.north.mqtt:
        found.append(broker(config.north.mqtt))
    return [*found, page(config.web, state)] if config.web else found


def model(bundle: Bundle) -> Finding:
    """Judge how fast this box answers a bundle, in a child process as the agent has."""
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    try:
        latency = asyncio.run(measured(bundle)).latency
    except InferenceFailed as error:
        return bad("model", f"{name}: {error}", "ask whoever made it; `doctor` above says what is wrong here")
    return in_time(name, latency, bundle.manifest.period)


def in_time(name: str, latency: Latency, period: float) -> Finding:
    """Judge the latency of a model whose machine has a result every `period` seconds."""
    says = f"{name}: p50 {latency.p50:.0f} us, p99 {latency.p99:.0f} us of {1e3 * period:g} ms"
    late = latency.p99 / 1e6
    if late > max(SHORTEST_DEADLINE, 0.5 * period):
        return bad("model", says, "too slow here: results are LATE; another recipe, or a faster box")
    if late > WAIT * period:
        return warn("model", says, "results come a cycle late; another recipe, or a longer period")
    return well("model", says)


def serial(port: str) -> Finding:
    """Judge whether this user may open a serial port."""
    if not Path(port).exists():
        return bad("serial port", f"{port} does not exist", "plug it in, or correct `serial`")
    if not os.access(port, os.R_OK | os.W_OK):
        todo = "add the user to the port's group (dialout), or use the drop-in serial.conf for the service"
        return bad("serial port", f"user {os.geteuid()} may not use {port}", todo)
    return well("serial port", port)


def page(web: Web, state: Path) -> Finding:
    """Judge whether the page can listen where it is to."""
    says = f"{web.host}:{web.port}"
    try:
        with socket.create_server((web.host, web.port), family=_family(web.host)):
            return well("page", f"{says} is free")
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _runs(state):
            return well("page", f"{says}, the agent listens")
        return bad("page", f"{says}: {os.strerror(error.errno or 0)}", "name another port in [web] listen")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _runs(state: Path) -> bool:
    try:
        ask(state)
    except NotRunning:
        return False
    return True


def _serial_ports(config: Config) -> Iterator[str]:
    for device in config.devices:
        if isinstance(device.table, ModbusTable) and isinstance(device.table.link.table, SerialTable):
            yield device.table.link.table.serial
