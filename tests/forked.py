"""Scripts that need TensorFlow, each in a fork of one process that has it loaded: loading takes seconds."""

import multiprocessing
import os
import runpy
import sys
import tempfile
from pathlib import Path

from sources import ROOT

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tensorflow", "keras", "tf_keras"])


def script(path: Path, *arguments: object) -> str:
    """Run a Python file as `sources.python` does, in a fork, and return what it printed."""
    with tempfile.TemporaryDirectory() as name:
        printed = [Path(name) / end for end in ("stdout", "stderr")]
        fork = _SERVER.Process(
            target=_run, args=([str(path), *map(str, arguments)], *map(str, printed)), daemon=True
        )
        fork.start()
        fork.join()
        out, err = (end.read_text(encoding="utf-8", errors="replace") for end in printed)
    assert fork.exitcode == 0, f"{path.name} {arguments}: {fork.exitcode} {out[-2000:]} {err[-3000:]}"
    return out


def _run(arguments: list[str], out: str, err: str) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.chdir(ROOT)
    sys.argv = arguments
    sys.path.insert(0, str(Path(arguments[0]).parent))
    runpy.run_path(arguments[0], run_name="__main__")
