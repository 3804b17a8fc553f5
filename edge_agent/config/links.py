"""What ``[link.NAME]`` may say: how one or more Modbus devices are reached. Field names are the keys."""

from typing import Literal

import msgspec

from edge_agent.config.fields import Delay, Seconds
from edge_agent.core.bustime import Line

Parity = Literal["none", "even", "odd"]


class LinkTable(msgspec.Struct, frozen=True, kw_only=True):
    """What every transport has.

    `timeout` is for connecting. After an answer that did not come, `settle` is how long the unit is left
    alone (on a serial line every unit), as long as the device's own timeout if not given.
    """

    transport: str = ""
    timeout: Seconds = Seconds(0.5)
    delay: Delay | None = None
    settle: Seconds | None = None

    @property
    def where(self) -> str:
        """The same for two links that lead to one place."""
        return ""

    @property
    def line(self) -> Line | None:
        """The serial line that its requests pass, as far as one is known."""
        return None


class UdpTable(LinkTable, frozen=True, kw_only=True):
    """``transport = "udp"``. `pipelining` is how many requests may be under way at once.

    `baud`, `parity` and `stop_bits` are those of the serial line behind a gateway or converter, None if there
    is none. They are not sent anywhere: requests are planned and counted by them.
    """

    host: str
    port: int = 502
    pipelining: int = 1
    baud: int | None = None
    parity: Parity = "even"
    stop_bits: int | None = None

    @property
    def where(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def line(self) -> Line | None:
        """An RTU line, if `baud` says that there is one."""
        return Line(self.baud, _bits(8, self.parity, self.stop_bits)) if self.baud else None


class TcpTable(UdpTable, frozen=True, kw_only=True):
    """``transport = "tcp"`` or ``"rtu-over-tcp"``. `backup` is tried when `host` is not there or hangs."""

    backup: str = ""
    pause_after_connect: Delay = Delay(0.0)


class TlsTable(TcpTable, frozen=True, kw_only=True):
    """``transport = "tls"``. Files are PEM, beside the configuration unless absolute.

    `ca` says whose servers are trusted; `passphrase` names the credential that opens `key`; `server_name` is
    what the server's certificate must say where that is not `host`.
    """

    port: int = 802
    ca: str
    certificate: str
    key: str
    passphrase: str = ""
    server_name: str = ""


class SerialTable(LinkTable, frozen=True, kw_only=True):
    """``transport = "rtu"`` or ``"ascii"``. The defaults are those of MODBUS over Serial Line V1.02, 2.5.

    That is 8 data bits, in ASCII 7, and one stop bit, without parity two.
    """

    serial: str
    baud: int = 19200
    parity: Parity = "even"
    stop_bits: int | None = None
    data_bits: int | None = None

    @property
    def where(self) -> str:
        """The port's path."""
        return self.serial

    @property
    def stops(self) -> int:
        """Its stop bits."""
        return _stops(self.parity, self.stop_bits)

    @property
    def data(self) -> int:
        """Its data bits."""
        return self.data_bits or (7 if self.transport == "ascii" else 8)

    @property
    def line(self) -> Line:
        """The line itself."""
        return Line(self.baud, _bits(self.data, self.parity, self.stop_bits), self.transport == "ascii")


def _stops(parity: Parity, given: int | None) -> int:
    return given or (2 if parity == "none" else 1)


def _bits(data: int, parity: Parity, stops: int | None) -> int:
    """Return the bits of a character: one to start, the data, parity if any, those to stop."""
    return 1 + data + (parity != "none") + _stops(parity, stops)


TRANSPORTS: dict[str, type[LinkTable]] = {
    "tcp": TcpTable,
    "tls": TlsTable,
    "udp": UdpTable,
    "rtu": SerialTable,
    "ascii": SerialTable,
    "rtu-over-tcp": TcpTable,
}
NUMBERED = ("tcp", "tls", "udp")
"""Transports whose frames carry a transaction number."""
SERIAL = ("rtu", "ascii", "rtu-over-tcp")
"""Transports of serial lines: units are 1 to 247, and 0 is everybody, who does not answer."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link. Devices with equal ones share a connection."""

    name: str = ""
    table: LinkTable = LinkTable()
