"""The process that keeps TensorFlow: every job is a fork of it, and none of them outlives its deadline."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from converter import ConverterError, job
from converter.process import Died, TensorFlow

FOREVER = "import time\ndef build(windows, targets):\n    time.sleep(1000)\n"


@pytest.fixture(scope="module")
def tensorflow() -> Iterator[TensorFlow]:
    with TensorFlow() as kept:
        yield kept


def _refused(tensorflow: TensorFlow, folder: Path) -> int:
    """Have a job done that needs no time, and return the process id of who kept TensorFlow for it."""
    with pytest.raises(ConverterError, match="not a model"):
        tensorflow.do(job.Look(model=str(folder)), folder)
    assert tensorflow._process
    return tensorflow._process.pid


def _endless(folder: Path) -> job.Folds:
    (folder / "forever.py").write_text(FOREVER)
    for name in (job.WINDOWS, job.TARGETS):
        np.save(folder / name, np.zeros((1, 1), np.float32))
    return job.Folds(
        script=str(folder / "forever.py"), function="build", shapes=[[1]], train=[[0]], test=[[0]]
    )


def test_a_job_that_is_killed_leaves_tensorflow_loaded_for_the_next(
    tensorflow: TensorFlow, tmp_path: Path
) -> None:
    before = _refused(tensorflow, tmp_path)

    def kill() -> None:
        for fork in psutil.Process(before).children():
            fork.send_signal(signal.SIGSEGV)

    with pytest.raises(Died, match=r"^TensorFlow's process died of SIGSEGV"):
        tensorflow.do(_endless(tmp_path), tmp_path, watch=kill)
    assert _refused(tensorflow, tmp_path) == before


def test_one_that_died_between_two_jobs_is_started_again(tensorflow: TensorFlow, tmp_path: Path) -> None:
    before = _refused(tensorflow, tmp_path)
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert _refused(tensorflow, tmp_path) != before


def test_one_whose_parent_has_ended_does_not_even_begin() -> None:
    orphan = [sys.executable, "-m", "converter.child", str(os.getppid())]
    done = subprocess.run(orphan, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (1, "the process that started this one had ended before\n")


def test_a_deadline_ends_the_job_and_what_did_it(tensorflow: TensorFlow, tmp_path: Path) -> None:
    before, forks = _refused(tensorflow, tmp_path), set()

    def remember() -> None:
        forks.update(psutil.Process(before).children())

    with pytest.raises(Died, match=r"not done within 0\.5 s and was stopped"):
        tensorflow.do(_endless(tmp_path), tmp_path, deadline=0.5, watch=remember)
    assert forks
    psutil.wait_procs(forks, timeout=5)  # what is killed closes its files a moment before it is gone
    assert all(not fork.is_running() or fork.status() == psutil.STATUS_ZOMBIE for fork in forks)
    assert not psutil.pid_exists(before)
