"""A server that nobody here wrote, in a process of its own: it says "ready", and "done" to each order."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self


class Peer:
    """At a port of its own. What it says beside its answers is in `folder`/server.log."""

    def __init__(self, folder: Path, port: int, **options: Any) -> None:
        self.folder, self.port = folder, port
        self.url = f"opc.tcp://localhost:{port}"
        self.options = {"port": port, **options}
        self.process: subprocess.Popen[str] | None = None
        self._log = folder / "server.log"

    def command(self) -> Sequence[object]:
        """Return the command to which the options are given, installed."""
        raise NotImplementedError

    def start(self) -> Self:
        command = [*map(str, self.command()), json.dumps(self.options)]
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._until("ready")
        return self

    def order(self, **order: Any) -> None:
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
