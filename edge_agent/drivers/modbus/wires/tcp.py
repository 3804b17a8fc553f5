"""Plain TCP. All sockets of an event loop are watched as one: what has come is read in one wake-up.

Wake-ups are what polling costs. A transport of the event loop for each socket costs more than sending and
receiving on it.
"""

import asyncio
import select
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_agent.drivers.modbus.wires import Listener, Wire
from edge_agent.drivers.modbus.wires.system import reason, unsent, waiting

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""Seconds of silence before the first question, seconds between questions, how many without an answer."""
_NOTHING_LATER = struct.pack("ii", 1, 0)
"""struct linger of socket(7): else the kernel delivers a write that was given up, once the cable is back."""
ROOM = 4096
"""Bytes that are read at once from one socket; the longest frame has 260."""


class Watch:
    """Sockets of one event loop, each with what reads it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}

    def add(self, fd: int, read: Callable[[], None]) -> None:
        """Call `read` whenever there is something to read, or the connection is gone."""
        if not self._readers:
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._readable)
        self._epoll.register(fd, select.EPOLLIN)
        self._readers[fd] = read

    def remove(self, fd: int) -> None:
        """Watch it no more."""
        self._epoll.unregister(fd)
        del self._readers[fd]
        if not self._readers:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())

    def _readable(self) -> None:
        for fd, _ in self._epoll.poll(0):
            read = self._readers.get(fd)
            if read is not None:  # what was read before may have closed it
                read()


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP server. `watch` may be shared with others of the same event loop."""

    host: str
    port: int
    watch: Watch = field(default_factory=Watch, compare=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    async def open(self, listener: Listener, timeout: float) -> Wire:
        """Connect. Raises OSError."""
        async with asyncio.timeout(timeout):
            sock = await _connected(self.host, self.port)
        prepare(sock)
        return _Socket(sock, listener, self.watch)


class _Socket:
    def __init__(self, sock: socket.socket, listener: Listener, watch: Watch) -> None:
        self._listener: Listener | None = listener
        self._sock, self._watch = sock, watch
        watch.add(sock.fileno(), self._read)

    def send(self, data: bytes) -> None:
        try:
            # Requests are small and few: one that does not fit is sent to a device that has stopped reading.
            why = "" if self._sock.send(data) == len(data) else "the device takes no more requests"
        except BlockingIOError:
            why = "the device takes no more requests"
        except OSError as error:
            why = reason(error)
        if why and self._listener is not None:
            asyncio.get_running_loop().call_soon(self._lose, why)

    def unread(self) -> bool:
        return self._listener is not None and waiting(self._sock.fileno())

    def close(self) -> None:
        self._listener = None
        if self._sock.fileno() >= 0:
            self._watch.remove(self._sock.fileno())
            forget_unsent(self._sock)
            self._sock.close()

    def _read(self) -> None:
        try:
            data = self._sock.recv(ROOM)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(reason(error))
            return
        if not data:
            self._lose("closed by the device")
        elif self._listener is not None:
            self._listener.received(data)

    def _lose(self, why: str) -> None:
        listener = self._listener
        self.close()
        if listener is not None:
            listener.lost(why)


def prepare(sock: socket.socket) -> None:
    """Send at once, and let the system ask now and then whether the other side is still there."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def forget_unsent(sock: socket.socket) -> None:
    """Let what the other side has not taken yet go with the connection, if there is any.

    There are servers that do not survive being reset, so a connection with nothing under way ends as usual.
    """
    if unsent(sock.fileno()):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOTHING_LATER)


async def _connected(host: str, port: int) -> socket.socket:
    """Return a socket that is connected to the first address of a host that lets it. Raises OSError."""
    loop = asyncio.get_running_loop()
    refused = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await _addresses(host, port):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            refused = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise refused


async def _addresses(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    loop = asyncio.get_running_loop()
    try:
        # An address that is a number needs no name server, nor the thread that waits for one.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"no host can be named {host!r}: {error}") from None
