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

    def start(self) -> "NodeServer":
        command = ["node", str(npm_peer.install("opcua") / "server.js"), json.dumps(self.options)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._until("ready")
        return self

    def set(self, name: str, value: float, status: str = "Good") -> None:
        """Give a variable a value and a status; make it if it is not there."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"name": name, "value": value, "status": status}) + "\n")
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
        raise AssertionError("".join(said))

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
