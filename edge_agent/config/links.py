"""What ``[link.NAME]`` may say: how one or more Modbus devices are reached. Field names are the keys."""

from typing import Literal

import msgspec

from edge_agent.config.fields import Delay, Seconds

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


class UdpTable(LinkTable, frozen=True, kw_only=True):
    """``transport = "udp"``. `pipelining` is how many requests may be under way at once."""

    host: str
    port: int = 502
    pipelining: int = 1

    @property
    def where(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"


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
    """``transport = "rtu"`` or ``"ascii"``. The defaults are those of MODBUS over Serial Line V1.02, 2.5."""

    serial: str
    baud: int = 19200
    parity: Parity = "even"
    stop_bits: int = 1
    data_bits: int = 8

    @property
    def where(self) -> str:
        """The port's path."""
        return self.serial


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


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link. Devices with equal ones share a connection."""

    name: str = ""
    table: LinkTable = LinkTable()
