"""A cable to a PLC that can be pulled out: at its other end is a network namespace. Needs root."""

import ctypes
import os
import secrets
import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

CLONE_NEWNET = 0x40000000


class Cable:
    """Laid for the length of a with block. `host` is the PLC's address."""

    def __init__(self) -> None:
        name = secrets.token_hex(4)
        self._space, self._here, self._there = f"plc-{name}", f"here{name}", f"plc{name}"
        network = f"198.18.{secrets.randbelow(256)}"  # RFC 2544: nobody's
        self._ours, self.host = f"{network}.1", f"{network}.2"

    def __enter__(self) -> Self:
        _ip("netns", "add", self._space)
        _ip("link", "add", self._here, "type", "veth", "peer", self._there, "netns", self._space)
        _ip("address", "add", f"{self._ours}/30", "dev", self._here)
        _ip("-n", self._space, "address", "add", f"{self.host}/30", "dev", self._there)
        _ip("link", "set", self._here, "up")
        self.put_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ip("link", "delete", self._here)
        _ip("netns", "delete", self._space)

    def listen(self) -> socket.socket:
        """Return a socket that listens at the PLC's end."""
        found: list[socket.socket] = []

        def there() -> None:
            with Path("/run/netns", self._space).open() as space:
                if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            found.append(socket.create_server((self.host, 502)))

        thread = threading.Thread(target=there)  # a network namespace is a thread's own
        thread.start()
        thread.join()
        return found[0]

    def pull_out(self) -> None:
        """Neither side has a carrier."""
        _ip("-n", self._space, "link", "set", self._there, "down")

    def put_in(self) -> None:
        """Undo that."""
        _ip("-n", self._space, "link", "set", self._there, "up")

    def swallow(self) -> None:
        """The PLC hears everything, and nothing of what it says arrives."""
        _ip("-n", self._space, "route", "add", "blackhole", f"{self._ours}/32")

    def spit_out(self) -> None:
        """Undo that."""
        _ip("-n", self._space, "route", "delete", "blackhole", f"{self._ours}/32")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
