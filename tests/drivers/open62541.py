"""open62541's server by `tests/peers/o6`, installed once into the cache, in a process of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import python_peer
from authority import Identity
from npm_peer import PEERS
from opcua_peer import Peer


class O6Server(Peer):
    """A server at a port of its own, secured if it has an `identity`. `options` are those of server.py."""

    def __init__(self, folder: Path, port: int, identity: Identity | None = None, **options: Any) -> None:
        super().__init__(folder, port, **options)
        if identity is not None:
            certificate, key = identity.save(folder, "server")
            # With an empty list it would trust everybody.
            self.options |= {"certificate": str(certificate), "key": str(key), "trust": [str(certificate)]}

    def command(self) -> Sequence[object]:
        return [python_peer.install("o6"), PEERS / "o6/server.py"]

    def trust(self, certificate: Path) -> None:
        """Trust somebody else from the next start on."""
        self.options["trust"] = [*self.options["trust"], str(certificate)]

    def set(self, name: str, value: float) -> None:
        """Give a variable a value."""
        self.order(name=name, value=value)
