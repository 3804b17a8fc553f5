"""Endpoints of node-opcua, each with a certificate of its own: `tests/peers/opcua/certified.js`."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import npm_peer
from authority import URI, Identity
from cryptography.hazmat.primitives.serialization import Encoding
from opcua_process import free_port


class CertifiedServers:
    """`shown` are the chains that the servers send, by the servers' names; those in `shut` open no channel
    without security."""

    def __init__(
        self, folder: Path, shown: Mapping[str, Sequence[Identity]], shut: Sequence[str] = ()
    ) -> None:
        servers = []
        for name, chain in shown.items():
            _, key = chain[0].save(folder, name)
            file = folder / f"{name}.chain.pem"
            file.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in chain))
            servers.append({"certificate": str(file), "key": str(key), "shut": name in shut, "uri": URI})
            servers[-1]["port"] = free_port()
        self.urls = {name: f"opc.tcp://localhost:{s['port']}" for name, s in zip(shown, servers, strict=True)}
        options = json.dumps({"pki": str(folder / "servers"), "servers": servers})
        command = ["node", str(npm_peer.install("opcua") / "certified.js"), options]
        self._log = folder / "certified.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line == "ready\n":
                return
        raise AssertionError("".join(said) + self._log.read_text())

    def end(self) -> None:
        self._process.communicate()
