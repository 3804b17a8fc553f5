"""The process that has TensorFlow loaded. It forks for each job; the fork does the job and ends.

Importing TensorFlow takes seconds and half a gigabyte, its converter may crash, and what it has converted
changes the names in what it converts next: none of that may reach another job, or the process that writes
bundles. Started as ``python -m converter.child PARENT``, by `converter.process` alone. A line on standard
input is the folder of a job, a line on standard output the exit code of the fork that did it.
"""

import errno
import gc
import os
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from converter import job, lifetime
from edge_agent.core.steps import decode
from edge_agent.installed import find

_NEEDED = ("keras", "tensorflow")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Do the jobs whose folders come on standard input, one after the other, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which kills this process
    lifetime.end_with(int(sys.argv[1]), signal.SIGKILL)
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # TensorFlow talks on both
    verbose = "--verbose" in sys.argv
    missing = _import_tensorflow()
    server = os.getpid()
    gc.freeze()  # so that no fork goes through all that was imported
    for line in sys.stdin:
        # Nothing is computed before this: a TensorFlow that has computed has threads, which a fork loses.
        fork = os.fork()
        if not fork:
            lifetime.end_with(server, signal.SIGKILL)
            sys.exit(_work(Path(line.rstrip("\n")), missing, verbose))
        _, status = os.waitpid(fork, 0)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))


def _import_tensorflow() -> str:
    """Import what every job needs. Return why that is not possible, "" if it is."""
    try:
        from converter import by_layer, candidates, looking, originals, training  # noqa: F401, PLC0415 - takes seconds
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        return "TensorFlow is not installed here: pip install 'edge-agent[converter]'"
    return ""


def _work(folder: Path, missing: str, verbose: bool) -> int:
    """Do the job in `folder` and return the exit code that says how it went."""
    tempfile.tempdir = str(folder)  # what Keras leaves behind when it is killed goes with the job
    if not verbose:
        chatter = os.open(folder / job.CHATTER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(chatter, sys.stdout.fileno())
        os.dup2(chatter, sys.stderr.fileno())
    if missing:
        return _refuse(folder, missing)
    from converter import by_layer, candidates, looking, originals, training  # noqa: PLC0415 - known to work

    task = msgspec.json.decode((folder / job.JOB).read_bytes(), type=job.Job, dec_hook=decode(find))
    try:
        match task:
            case job.Convert():
                facts = candidates.convert(task, folder)
            case job.ByLayer():
                facts = by_layer.do(task, folder)
            case job.Look():
                facts = looking.look(task, folder)
            case job.Predict():
                facts = originals.predict(task, folder)
            case job.Folds():
                facts = training.folds(task, folder)
        (folder / job.FACTS).write_bytes(msgspec.json.encode(facts))
    except originals.Refused as refused:
        return _refuse(folder, str(refused))
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        return job.NO_ROOM
    return 0


def _refuse(folder: Path, why: str) -> int:
    (folder / job.REFUSAL).write_text(why, encoding="utf-8")
    return job.REFUSED


if __name__ == "__main__":
    main()
