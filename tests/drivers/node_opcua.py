"""The node-opcua server of `tests/peers/opcua`, installed once into the cache, in a process of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import npm_peer
from authority import Identity
from opcua_peer import Peer


class NodeServer(Peer):
    """A server at a port of its own. `options` are those of server.js."""

    def __init__(self, folder: Path, port: int, identity: Identity | None = None, **options: Any) -> None:
        self.pki = folder / "server-pki"
        super().__init__(folder, port, **{"pki": str(self.pki), "policies": [], **options})
        if identity is not None:
            self.present(identity)

    def command(self) -> Sequence[object]:
        return ["node", npm_peer.install("opcua") / "server.js"]

    def present(self, identity: Identity) -> None:
        """Take another certificate at the next start."""
        certificate, key = identity.save(self.folder, "server")
        self.options |= {"certificate": str(certificate), "key": str(key)}

    def trust(self, certificate: bytes, name: str = "agent") -> None:
        trusted = self.pki / "trusted" / "certs"
        trusted.mkdir(parents=True, exist_ok=True)
        (trusted / f"{name}.der").write_bytes(certificate)

    def trust_the_rejected_alone(self) -> None:
        """Do what an operator of the server does with what it turned away, and forget what it knew."""
        for file in (self.pki / "trusted" / "certs").iterdir():
            file.unlink()
        for file in (self.pki / "rejected").iterdir():
            file.rename(self.pki / "trusted" / "certs" / file.name)

    def set(self, name: str, value: float, status: str = "Good", **more: Any) -> None:
        """Give a variable a value and a status; make it if it is not there. `more` is for server.js."""
        self.order(name=name, value=value, status=status, **more)

    def claim(self, namespaces: list[str]) -> None:
        """Have it say that these are its namespaces."""
        self.order(namespaces=namespaces)
