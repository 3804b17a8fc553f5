"""Peers written in Python, `tests/peers/NAME`: each in an environment of its own, made once in the cache."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from environments import uv
from npm_peer import CACHE, PEERS


def install(name: str) -> Path:
    """Install a peer's packages into the cache unless they are there; return the Python that has them."""
    source, target = PEERS / name, CACHE / name
    target.mkdir(parents=True, exist_ok=True)
    wanted, done = source / "requirements.txt", target / "installed.txt"
    python = target / "environment/bin/python"
    with (target / "installing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # tests run in several processes
        if not (done.exists() and done.read_bytes() == wanted.read_bytes() and _runs(python)):
            uv("venv", "--clear", "--python", sys.executable, target / "environment")
            uv("pip", "install", "--python", python, "-r", wanted)
            shutil.copy(wanted, done)
    return python


def _runs(python: Path) -> bool:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not python.exists():
        return False
    told = subprocess.run([python, "-VV"], check=False, capture_output=True, text=True)
    return f"Python {version}." in told.stdout
