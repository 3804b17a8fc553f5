"""The child process: loads one model, answers until its parent is gone.

It has no network and opens no file: once the runtime is up, the limit on open descriptors is what it
holds already. It has a memory limit, because files exist that make a runtime allocate without end.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import sys

import numpy as np

from edge_agent.inference import wire
from edge_agent.inference.model import Model, ModelError
from edge_agent.inference.runtime import NoRuntime
from edge_agent.inference.wire import Kind, WireError

MEMORY = 1024 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the socket whose descriptor is the first argument."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        try:
            _, body = wire.receive(sock)
            model = _load(body)
            said = {"runtime": model.runtime, "accelerated": model.accelerated}
            wire.send(sock, Kind.LOAD, json.dumps(said).encode())
            while True:
                _answer(sock, model)
        except (ModelError, NoRuntime) as error:
            wire.send(sock, Kind.ERROR, str(error).encode())
            sys.exit(1)
        except (WireError, ConnectionError):
            sys.exit(0)


def _load(body: bytearray) -> Model:
    head, _, blob = bytes(body).partition(b"\n")
    ends = json.loads(head)
    _limit_memory()
    loud = os.dup(2)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # the runtime's own chatter about its delegates
    os.close(quiet)
    model = Model(blob)
    _open_nothing_more()
    model.prepare(*ends)
    os.dup2(loud, 2)
    return model


def _answer(sock: socket.socket, model: Model) -> None:
    _, body = wire.receive(sock)
    rows = np.frombuffer(body, np.float32).reshape(-1, model.input_size)
    try:
        wire.send(sock, Kind.RUN, model.run(rows).tobytes())
    except ModelError as error:
        wire.send(sock, Kind.ERROR, str(error).encode())


def _limit_memory() -> None:
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _open_nothing_more() -> None:
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, lowest_free))


if __name__ == "__main__":
    main()
