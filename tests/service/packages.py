"""Builds what is handed out."""

import subprocess
import sys
from pathlib import Path

from sources import ROOT


def offline_archive(out: Path, arch: str) -> Path:
    """Build everything for one kind of processor; the package is then beside the archive."""
    command = [sys.executable, ROOT / "scripts/offline.py", "--arch", arch, "--out", out]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())
