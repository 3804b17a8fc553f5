"""The sources under test, and running their scripts in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DATA = Path(os.environ.get("EDGE_AGENT_DATA", ROOT.parent / "shared" / "data"))
"""Real models and recordings, for the tests marked `data`."""


def python(*arguments: object) -> str:
    """Run Python on `arguments` at the root of the sources and return what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]} {done.stderr[-3000:]}"
    return done.stdout
