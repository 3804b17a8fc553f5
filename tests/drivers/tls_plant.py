"""A Modbus/TCP Security server that trusts only its authority's clients, and certificates to try it with."""

import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from authority import NOW, Identity, identity
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pymodbus.server import ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.config.links import TlsTable

UNIT = 3


def device() -> list[SimDevice]:
    return [SimDevice(UNIT, simdata=[SimData(0, values=list(range(200)), datatype=DataType.REGISTERS)])]


@asynccontextmanager
async def listening(server: Any) -> AsyncIterator[int]:
    """A server at a free port."""
    await server.listen()
    transport = server.transport
    sock = transport.sockets[0] if hasattr(transport, "sockets") else transport.get_extra_info("socket")
    yield sock.getsockname()[1]
    await server.shutdown()


def saved(who: Identity, folder: Path, name: str, passphrase: bytes = b"") -> tuple[Path, Path]:
    """Write a certificate and its key in PEM, the key locked with a passphrase."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_bytes(who.certificate.public_bytes(Encoding.PEM))
    lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    key.touch(0o600)
    key.write_bytes(who.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    return certificate, key


class Plant:
    """An authority, a server that trusts only its clients, and how a client says so in its configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = identity("authority", ca=True)
        self.ca, _ = saved(self.authority, folder, "ca")
        saved(identity("server", issuer=self.authority), folder, "server")
        saved(identity("agent", issuer=self.authority), folder, "agent", b"open sesame")
        saved(identity("laptop", issuer=self.authority), folder, "laptop")
        past = {"start": NOW - timedelta(days=9), "end": NOW - timedelta(days=1)}
        saved(identity("expired", issuer=self.authority, **past), folder, "expired")
        saved(identity("stranger", issuer=identity("elsewhere", ca=True)), folder, "stranger")
        saved(identity("elsewhere", ca=True), folder, "elsewhere")
        (folder / "passphrase").touch(0o600)
        (folder / "passphrase").write_bytes(b"open sesame\n")

    def server(self, who: str = "server") -> ModbusTlsServer:
        return ModbusTlsServer(context=device(), address=("127.0.0.1", 0), sslctx=self.context(who))

    @contextmanager
    def doorkeeper(self) -> Iterator[int]:
        """A server that looks at certificates and says what it thinks of them, which asyncio's do not."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            watch = threading.Thread(target=self._watch, args=(listener,))
            watch.start()
            yield listener.getsockname()[1]
            listener.shutdown(socket.SHUT_RDWR)
            watch.join()

    def _watch(self, listener: socket.socket) -> None:
        context = self.context("server")
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(ssl.SSLError):
                context.wrap_socket(connection, server_side=True).close()

    def context(self, who: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{who}.crt", self.folder / f"{who}.key")
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def table(self, port: int, who: str = "agent", ca: str = "ca", **keys: Any) -> TlsTable:
        return TlsTable(
            transport="tls",
            host="127.0.0.1",
            port=port,
            ca=str(self.folder / f"{ca}.crt"),
            certificate=str(self.folder / f"{who}.crt"),
            key=str(self.folder / f"{who}.key"),
            timeout=keys.pop("timeout", 2.0),
            **({"passphrase": "passphrase"} if who == "agent" else {}) | keys,
        )
