"""The node-opcua server of `tests/peers/opcua`, installed once into the cache, in a process of its own."""

import json
import subprocess
from pathlib import Path
from typing import Any

import npm_peer
from authority import Identity


class NodeServer:
    """A server at a port of its own. `options` are those of server.js."""

    def __init__(self, folder: Path, port: int, identity: Identity | None = None, **options: Any) -> None:
        self.folder, self.port = folder, port
        self.url = f"opc.tcp://localhost:{port}"
        self.pki = folder / "server-pki"
        self.options = {"port": port, "pki": str(self.pki), "policies": [], **options}
        self._log = folder / "server.log"
        if identity is not None:
            self.present(identity)
        self.process: subprocess.Popen[str] | None = None

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

    def start(self) -> "NodeServer":
        command = ["node", str(npm_peer.install("opcua") / "server.js"), json.dumps(self.options)]
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._until("ready")
        return self

    def set(self, name: str, value: float, status: str = "Good", **more: Any) -> None:
        """Give a variable a value and a status; make it if it is not there. `more` is for server.js."""
        self._order(name=name, value=value, status=status, **more)

    def claim(self, namespaces: list[str]) -> None:
        """Have it say that these are its namespaces."""
        self._order(namespaces=namespaces)

    def _order(self, **order: Any) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self._until("done")

    def _until(self, word: str) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            if line.strip() == word:
                return
            said.append(line)
        raise AssertionError("".join(said) + self._log.read_text())

    def kill(self) -> None:
        """End it. One that ended by itself before fails the test, with what it said at its end."""
        if self.process is not None:
            ended = self.process.poll()
            self.process.kill()
            self.process.communicate()
            self.process = None
            assert ended is None, f"the server ended by itself: {self._log.read_text()[-2000:]}"
