"""Virtual environments as an installation makes them, from the wheel and the package index."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sources import ROOT


class Environment:
    """A fresh virtual environment in `folder`. Nothing in it comes from the sources but the wheel."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder = folder / "environment"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        uv("venv", "--python", python, self.folder)

    def install(self, *requirements: object) -> None:
        uv("pip", "install", "--python", self.folder / "bin/python", *requirements)

    def run(
        self, command: str, *arguments: object, timeout: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of the environment in a folder from which the sources cannot be imported."""
        return subprocess.run(
            [self.folder / "bin" / command, *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.elsewhere,
            timeout=timeout,
        )

    def distributions(self) -> set[str]:
        """Return the names of everything that is installed."""
        listed = uv("pip", "list", "--python", self.folder / "bin/python", "--format", "json")
        rows: list[dict[str, Any]] = json.loads(listed)
        return {row["name"].lower() for row in rows}

    def sizes(self) -> dict[str, int]:
        """Return what each folder of site-packages takes on the disk, in bytes, the largest first."""
        (packages,) = self.folder.glob("lib/python*/site-packages")
        found = {path.name: _size(path) for path in packages.iterdir()}
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel into `folder`."""
    uv("build", "--wheel", "-o", folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def gateway(folder: Path) -> Environment:
    """Make what a gateway has: the wheel and what it needs, no extras."""
    environment = Environment(folder)
    environment.install(build_wheel(folder / "dist"))
    return environment


def uv(*arguments: object) -> str:
    command: Sequence[str] = [os.environ.get("UV", "uv"), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
    return done.stdout


def _size(path: Path) -> int:
    paths = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(512 * p.lstat().st_blocks for p in paths)
