"""Peers written in JavaScript, `tests/peers/NAME`: installed once into the cache as their lock file says."""

import fcntl
import filecmp
import shutil
import subprocess
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
CACHE = Path(__file__).parents[1] / ".cache" / "peers"


def install(name: str) -> Path:
    """Install a peer's packages unless they are there; return the folder with them and its programs."""
    source, target = PEERS / name, CACHE / name
    target.mkdir(parents=True, exist_ok=True)
    with (target / "installing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # tests run in several processes
        _install(source, target)
    return target


def _install(source: Path, target: Path) -> None:
    lock, done = source / "package-lock.json", target / "installed-lock.json"
    if not done.exists() or done.read_bytes() != lock.read_bytes():
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, target)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=target, check=True, timeout=280)
        shutil.copy(lock, done)
    for program in (*source.glob("*.js"), *source.glob("*.xml")):
        installed = target / program.name
        if not installed.exists() or not filecmp.cmp(program, installed, shallow=False):
            shutil.copy(program, target)
