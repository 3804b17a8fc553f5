"""What runs in the machine that is cut off: its first process. The agent with its plant, and an installer.

Says on the console what is promised: ``results N`` committed since the boot, ``active N`` in the store.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

from edge_agent import bundle
from edge_agent.bundles.store import Store
from edge_agent.status import NotRunning, ask

PYTHON = "/usr/lib/edge-agent/bin/python"
STATE = Path("/var/lib/edge-agent")
EXAMPLE = Path("/etc/edge-agent/example")
FILE_SYSTEMS = (
    ("proc", "/proc", "proc"),
    ("sys", "/sys", "sysfs"),
    ("dev", "/dev", "devtmpfs"),
    ("tmp", "/tmp", "tmpfs"),
    ("run", "/run", "tmpfs"),
    ("/dev/nvme1n1", str(STATE), "ext4"),
)


def mount(device: str, place: str, kind: str) -> None:
    if ctypes.CDLL(None, use_errno=True).mount(device.encode(), place.encode(), kind.encode(), 0, None):
        raise OSError(ctypes.get_errno(), f"mount {device} at {place}")


def loopback() -> None:
    """Bring the interface up: SIOCSIFFLAGS of netdevice(7)."""
    with socket.socket() as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 1))


def say(text: str) -> None:
    os.write(1, f"\n{text}\n".encode())


def install_for_ever() -> None:
    """Install and activate one release after the other in a store that no machine uses."""
    made = bundle.read(EXAMPLE / "bearing.bundle")
    store = Store(STATE, "pump")
    sequence = max(store.versions(), default=0)
    while True:
        sequence += 1
        manifest = msgspec.structs.replace(made.manifest, name="pump", sequence=sequence)
        path = Path(f"/tmp/{sequence}.bundle")
        bundle.write(path, manifest, made.model, made.known)
        data = bundle.load(path)
        file = store.install(data, bundle.decode(data, path), "works", "test")
        with store.changing() as record:
            record.activate(file)
        path.unlink()
        say(f"active {sequence}")
        time.sleep(1)


def main() -> None:
    for device, place, kind in FILE_SYSTEMS:
        mount(device, place, kind)
    loopback()
    os.environ |= {"PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    if "without-syncs" in sys.argv:
        os.fsync = lambda _: None
    subprocess.Popen([PYTHON, "-I", "-m", "edge_agent.plant", "serve"], stdout=subprocess.DEVNULL)
    subprocess.Popen([PYTHON, "-I", "-m", "edge_agent", "run", EXAMPLE / "agent.toml"])
    threading.Thread(target=install_for_ever, daemon=True).start()
    while True:
        time.sleep(0.5)
        with contextlib.suppress(NotRunning):
            say(f"results {ask(STATE).history_committed}")


if __name__ == "__main__":
    main()
