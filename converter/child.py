"""The child process that may import TensorFlow. It does one job and ends.

Importing TensorFlow takes seconds and half a gigabyte, and its converter may crash: none of that may
reach the process that writes bundles. Started as ``python -m converter.child FOLDER``.
"""

import ctypes
import signal
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

from converter import job

_PR_SET_PDEATHSIG = 1
_NEEDED = ("keras", "tensorflow")


def main() -> None:
    """Do the job in the folder that is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which kills this process
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    folder = Path(sys.argv[1])
    task = msgspec.json.decode((folder / job.JOB).read_bytes(), type=job.Job)
    try:
        from converter import candidates, originals, training  # noqa: PLC0415 - imports TensorFlow: after the prctl
    except ModuleNotFoundError as missing:
        if missing.name not in _NEEDED:
            raise
        _refuse(folder, "TensorFlow is not installed here: pip install 'edge-agent[converter]'")
    try:
        match task:
            case job.Convert():
                facts = candidates.convert(task, folder)
            case job.Predict():
                facts = originals.predict(task, folder)
            case job.Folds():
                facts = training.folds(task, folder)
    except originals.Refused as refused:
        _refuse(folder, str(refused))
    (folder / job.FACTS).write_bytes(msgspec.json.encode(facts))


def _refuse(folder: Path, why: str) -> NoReturn:
    (folder / job.REFUSAL).write_text(why, encoding="utf-8")
    sys.exit(job.REFUSED)


if __name__ == "__main__":
    main()
