"""From what a configuration says of a Modbus link to the link: one for all devices that share it."""

from collections.abc import Callable
from pathlib import Path

from edge_agent.config import forbidden
from edge_agent.config import links as config
from edge_agent.config.tables import ModbusTable
from edge_agent.core.bustime import NETWORK, TURNAROUND, Cost, silence
from edge_agent.core.readplan import Limits
from edge_agent.drivers import Driver
from edge_agent.drivers.modbus.carrier import Carrier
from edge_agent.drivers.modbus.deadlines import Deadlines
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.drivers.modbus.frames import Framer
from edge_agent.drivers.modbus.frames.ascii import Ascii
from edge_agent.drivers.modbus.frames.mbap import Mbap, MbapDatagram
from edge_agent.drivers.modbus.frames.rtu import Rtu
from edge_agent.drivers.modbus.link import Link, Rules
from edge_agent.drivers.modbus.wires import Endpoint
from edge_agent.drivers.modbus.wires.tcp import Tcp, Watch
from edge_agent.drivers.modbus.writing import Habits

FRAMERS: dict[str, Callable[[], Framer]] = {
    "tcp": Mbap,
    "tls": Mbap,
    "udp": MbapDatagram,
    "rtu": Rtu,
    "ascii": Ascii,
    "rtu-over-tcp": Rtu,
}


class Links:
    """The links that are in use, by what the configuration says of them."""

    def __init__(self) -> None:
        self._links: dict[config.Link, Link] = {}
        self._deadlines, self._watch = Deadlines(), Watch()

    def of(self, link: config.Link) -> Link:
        """Return the link, made the first time."""
        if link not in self._links:
            self._links[link] = _link(link.table, self._deadlines, self._watch)
        return self._links[link]


def modbus(table: ModbusTable, links: Links) -> Driver:
    """Return the driver of a Modbus device."""
    carrier = _pymodbus(table) if table.driver == "pymodbus" else links.of(table.link)
    limits, habits = limits_of(table), habits_of(table)
    return Modbus(carrier, table.unit, timeout=table.timeout, limits=limits, habits=habits)


def habits_of(table: ModbusTable) -> Habits:
    """Return what the device asks of writes."""
    return Habits(table.writes, rewriting=table.bits == "read-modify-write")


def limits_of(table: ModbusTable) -> Limits:
    """Return what the device lets be asked, and what that costs on its link."""
    return Limits(
        max_gap=table.max_gap,
        max_registers=table.max_registers,
        max_bits=table.max_bits,
        forbidden=tuple(forbidden.parse(text) for text in table.forbidden),
        address_exceptions=tuple(table.address_exceptions),
        cost=cost_of(table.link.table),
    )


def cost_of(link: config.LinkTable, turnaround: float = TURNAROUND, network: Cost = NETWORK) -> Cost:
    """Return what requests cost on a link.

    That is arithmetic if it is or leads to a serial line, but for the device's `turnaround` in seconds; else
    what requests cost on a `network`.
    """
    if link.line is None:
        return network.later(link.delay or 0.0, pipelining(link))
    if isinstance(link, config.SerialTable):
        return link.line.cost(turnaround, link.delay)
    # What leads to a line keeps the silences of that line by itself.
    return link.line.cost(turnaround).later(link.delay or 0.0)


def pipelining(link: config.LinkTable) -> int:
    """Return how many requests may be under way at once."""
    return link.pipelining if isinstance(link, config.UdpTable) else 1


def _pymodbus(table: ModbusTable) -> Carrier:
    # Imported here because it costs a tenth of a second and 3 MB that nobody else needs.
    from edge_agent.drivers.modbus.pymodbus_link import PymodbusLink  # noqa: PLC0415

    link = table.link.table
    assert isinstance(link, config.TcpTable)
    return PymodbusLink(link.host, link.port, table.timeout)


def _link(table: config.LinkTable, deadlines: Deadlines, watch: Watch) -> Link:
    delay = _silence(table) if table.delay is None else table.delay
    pause = table.pause_after_connect if isinstance(table, config.TcpTable) else 0.0
    rules = Rules(
        timeout=table.timeout, pause=pause, delay=delay, settle=table.settle, pipelining=pipelining(table)
    )
    return Link(_endpoints(table, watch), FRAMERS[table.transport](), rules, deadlines)


def _silence(table: config.LinkTable) -> float:
    if isinstance(table, config.SerialTable) and table.transport == "rtu":
        return silence(table.baud)
    return 0.0


def _endpoints(table: config.LinkTable, watch: Watch) -> list[Endpoint]:
    match table:
        case config.TlsTable():
            # Imported here, as are the others, because most gateways need none of them.
            from edge_agent.drivers.modbus.wires.tls import Identity, Tls  # noqa: PLC0415

            files = (Path(table.ca), Path(table.certificate), Path(table.key))
            tls = Identity(*files, table.passphrase).context
            return [Tls(host, table.port, tls, table.server_name) for host in _hosts(table)]
        case config.TcpTable():
            return [Tcp(host, table.port, watch) for host in _hosts(table)]
        case config.UdpTable():
            from edge_agent.drivers.modbus.wires.udp import Udp  # noqa: PLC0415

            return [Udp(table.host, table.port)]
        case config.SerialTable():
            from edge_agent.drivers.modbus.wires.serial import Serial  # noqa: PLC0415

            return [Serial(table.serial, table.baud, table.parity, table.stops, table.data)]
    raise AssertionError(f"no transport {table.transport!r}")


def _hosts(table: config.TcpTable) -> list[str]:
    return [table.host, table.backup] if table.backup else [table.host]
