"""The parent's side of the TensorFlow process: start it, give it jobs, and say what went wrong."""

import errno
import io
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from converter import job
from converter.errors import ConverterError, writing

DEADLINE = 900.0
"""Seconds for one job."""
_GLANCE = 0.2
_GONE = 10.0
"""Seconds for what was killed to be gone."""
_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}


class Died(ConverterError):
    """The child crashed, was killed, or was not done in time. The text begins with how it ended."""


class TensorFlow:
    """A process that has TensorFlow loaded, started with the first job and again if it has died.

    Each job is done by a fork of it, which is as good as new and takes nothing along when it crashes. The
    process ends with `close`, and with the thread that started it: use it in one thread, as a context.
    """

    def __init__(self, verbose: bool = False) -> None:
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def do(
        self,
        task: job.Job,
        folder: Path,
        deadline: float = DEADLINE,
        watch: Callable[[], None] = lambda: None,
    ) -> job.Facts:
        """Have `task` done on the files in `folder`. Raises `ConverterError` and OSError; then nobody does.

        TensorFlow's chatter goes to a file and is shown only when it failed, unless this is verbose. `watch`
        is called every now and then while it works. `deadline` is in seconds.
        """
        (folder / job.JOB).write_bytes(msgspec.json.encode(task))
        done = False
        try:
            code = self._ask(folder, time.monotonic() + deadline, watch)
            done = True
        except TimeoutError:
            raise Died(f"TensorFlow was not done within {deadline:g} s and was stopped") from None
        finally:
            if not done:
                self.close()
        if code == job.REFUSED:
            raise ConverterError((folder / job.REFUSAL).read_text(encoding="utf-8"))
        if code == job.NO_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        if code != 0:
            raise Died(f"TensorFlow's process {_ended(code)}{_tail(folder / job.CHATTER)}")
        return msgspec.json.decode((folder / job.FACTS).read_bytes(), type=job.Facts)

    def close(self) -> None:
        """Kill the process and whatever it has forked, and wait until all of them are gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate(timeout=_GONE)  # to the end of its output, which a fork holds open, too

    def _ask(self, folder: Path, until: float, watch: Callable[[], None]) -> int:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        process = self._process = self._process or self._start(folder)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(os.fsencode(folder) + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise Died(f"TensorFlow's process {_ended(process.wait(_GONE))}") from None
        while not select.select([process.stdout], [], [], min(_GLANCE, max(0.0, until - time.monotonic())))[
            0
        ]:
            if time.monotonic() >= until:
                raise TimeoutError
            watch()
        answer = process.stdout.readline()
        if not answer:
            raise Died(f"TensorFlow's process {_ended(process.wait(_GONE))}{_tail(folder / job.CHATTER)}")
        return int(answer)

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        verbose = ["--verbose"] if self._verbose else []
        with (folder / job.CHATTER).open("wb") as chatter:
            return subprocess.Popen(
                [sys.executable, "-m", "converter.child", str(os.getpid()), *verbose],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if self._verbose else chatter,
                env={**os.environ, **_ENVIRONMENT},
            )


@contextmanager
def borrowed(tensorflow: TensorFlow | None, verbose: bool) -> Iterator[TensorFlow]:
    """Yield the one that is given, which is its owner's to close, or one that ends with the context."""
    if tensorflow is not None:
        yield tensorflow
        return
    with TensorFlow(verbose) as own:
        yield own


@contextmanager
def workspace() -> Iterator[Path]:
    """Yield a folder for the files of jobs. Raises `ConverterError` if there is no room for them."""
    place = Path(tempfile.gettempdir())
    with (
        writing(place, "set TMPDIR to another directory"),
        tempfile.TemporaryDirectory(prefix="edge-converter-") as name,
    ):
        yield Path(name)


def save(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write an ``.npy`` file. Raises OSError, where `numpy.save` may leave a file that is cut off."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    path.write_bytes(content.getvalue())


def _ended(code: int) -> str:
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"


def answers(folder: Path) -> npt.NDArray[np.float32]:
    """Return what the original model answered, float32[k, ...]."""
    array: npt.NDArray[np.float32] = np.load(folder / job.ANSWERS, allow_pickle=False)
    return array


def _tail(log: Path, lines: int = 15) -> str:
    if not log.exists():
        return ""  # it was verbose, and all has been said
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    return ". It said last:\n  " + "\n  ".join(text) if text else ""
