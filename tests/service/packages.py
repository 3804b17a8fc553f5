"""Builds what is handed out."""

import subprocess
import sys
from pathlib import Path

from sources import ROOT


def package(out: Path) -> Path:
    """Build the package for this kind of processor."""
    return _built("scripts/deb.py", out, "amd64")


def offline_archive(out: Path, arch: str) -> Path:
    """Build everything for one kind of processor; the package is then beside the archive."""
    return _built("scripts/offline.py", out, arch)


def _built(script: str, out: Path, arch: str) -> Path:
    command = [sys.executable, ROOT / script, "--arch", arch, "--out", out]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())
