"""The usual case: one unit behind a TCP connection of its own, and its tags."""

from edge_agent.core.readplan import Limits
from edge_agent.core.registers import BIT_TABLES, Address, Table
from edge_agent.core.tags import Tag
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.drivers.modbus.frames.mbap import Mbap
from edge_agent.drivers.modbus.link import Link, Rules
from edge_agent.drivers.modbus.wires.tcp import Tcp


def modbus_tcp(
    host: str,
    port: int = 502,
    unit: int = 1,
    *,
    timeout: float = 0.5,
    max_gap: int = 16,
    max_registers: int = 125,
) -> Modbus:
    """Return a driver, not yet connected. `timeout`, in seconds, is for connecting and for each answer."""
    link = Link([Tcp(host, port)], Mbap(), Rules(timeout=timeout))
    limits = Limits(max_gap=max_gap, max_registers=max_registers)
    return Modbus(link, unit, timeout=timeout, limits=limits)


def tag(table: Table, offset: int, kind: str = "", order: str = "", bit: int | None = None) -> Tag:
    kind = kind or ("bool" if table in BIT_TABLES else "uint16")
    address = Address(table=table, offset=offset, type=kind, order=order, bit=bit)
    assert address.problem() is None
    return Tag(name=f"plc.{table}{offset}", address=address)
