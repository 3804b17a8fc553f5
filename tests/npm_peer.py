"""Peers written in JavaScript, `tests/peers/NAME`: installed once into the cache as their lock file says."""

import shutil
import subprocess
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
CACHE = Path(__file__).parents[1] / ".cache" / "peers"


def install(name: str) -> Path:
    """Install a peer's packages unless they are there; return the folder with them and its programs."""
    source, target = PEERS / name, CACHE / name
    lock, done = source / "package-lock.json", target / "installed-lock.json"
    if not done.exists() or done.read_bytes() != lock.read_bytes():
        target.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, target)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=target, check=True, timeout=280)
        shutil.copy(lock, done)
    for program in source.glob("*.js"):
        shutil.copy(program, target)
    return target
