"""The parent's side of the TensorFlow child: start it, wait, and say what went wrong."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from converter import job
from converter.errors import ConverterError

DEADLINE = 900.0
"""Seconds for one job."""
_GLANCE = 0.2
_CHATTER = "tensorflow.log"
_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}


class Died(ConverterError):
    """The child crashed, was killed, or was not done in time. The text begins with how it ended."""


def do(
    task: job.Job,
    folder: Path,
    deadline: float = DEADLINE,
    verbose: bool = False,
    watch: Callable[[], None] = lambda: None,
) -> job.Facts:
    """Have a child do `task` on the files in `folder`. Raises `ConverterError`; no child outlives this.

    The child's chatter goes to a file and is shown only when it failed, unless `verbose`. `watch` is
    called every now and then while it works.
    """
    (folder / job.JOB).write_bytes(msgspec.json.encode(task))
    with (folder / _CHATTER).open("wb") as chatter:
        process = subprocess.Popen(
            [sys.executable, "-m", "converter.child", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=None if verbose else chatter,
            stderr=None if verbose else chatter,
            env={**os.environ, **_ENVIRONMENT},
        )
        try:
            code = _wait(process, deadline, watch)
        finally:
            process.kill()
            process.wait()
    if code == job.REFUSED:
        raise ConverterError((folder / job.REFUSAL).read_text(encoding="utf-8"))
    if code != 0:
        ended = f"died of {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
        raise Died(f"TensorFlow's process {ended}{_tail(folder / _CHATTER)}")
    return msgspec.json.decode((folder / job.FACTS).read_bytes(), type=job.Facts)


def _wait(process: "subprocess.Popen[bytes]", deadline: float, watch: Callable[[], None]) -> int:
    until = time.monotonic() + deadline
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise Died(f"TensorFlow was not done within {deadline:g} s and was stopped")
        try:
            return process.wait(timeout=min(left, _GLANCE))
        except subprocess.TimeoutExpired:
            watch()


def answers(folder: Path) -> npt.NDArray[np.float32]:
    """Return what the original model answered, float32[k, ...]."""
    array: npt.NDArray[np.float32] = np.load(folder / job.ANSWERS, allow_pickle=False)
    return array


def _tail(log: Path, lines: int = 15) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    return ". It said last:\n  " + "\n  ".join(text) if text else ""
