"""A Modbus TCP proxy that keeps every request and spoils replies on command."""

import random
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

WRITES = {5, 6, 15, 16, 22, 23}
Mangle = Callable[[bytes, bytes], bytes]
"""From the request's PDU and the reply's frame to the bytes that the client gets."""


def free_port() -> int:
    """A free port below the ephemeral range, so that a server can come back on it.

    At random, because other processes look for theirs at the same moment.
    """
    for port in random.SystemRandom().sample(range(10_000, 30_000), 1000):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port")


class Proxy:
    """Listens on `port`, passes frames to `target` one by one. `target` may be absent.

    `server` is a socket of one's own that listens.
    """

    def __init__(self, target: int, server: socket.socket | None = None) -> None:
        self.target = target
        self.mangle: Mangle | None = None
        self.requests: list[bytes] = []
        self.clients: set[int] = set()
        """The ports that they came from."""
        self._server = server or socket.create_server(("127.0.0.1", free_port()))
        self.port: int = self._server.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def writes(self) -> set[tuple[int, int, int]]:
        """Function, address and count of every write so far."""
        found = set()
        for pdu in list(self.requests):
            if pdu[0] in WRITES:
                address, count = struct.unpack(">HH", pdu[1:5])
                found.add((pdu[0], address, count))
        return found

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        self._connections.add(client)
        try:
            with client, socket.create_connection(("127.0.0.1", self.target)) as plc:
                self._connections.add(plc)
                while request := _frame(client):
                    self.requests.append(request[7:])
                    self.clients.add(client.getpeername()[1])
                    plc.sendall(request)
                    reply = _frame(plc)
                    if not reply:
                        return
                    client.sendall(self.mangle(request[7:], reply) if self.mangle else reply)
        except OSError:
            return
        finally:
            self._connections = {c for c in self._connections if c.fileno() >= 0}


def _frame(sock: socket.socket) -> bytes:
    head = _exactly(sock, 7)
    return head and head + _exactly(sock, int.from_bytes(head[4:6]) - 1)


def _exactly(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            return b""
        data += piece
    return data
