"""The parent's side: one child process for one bundle, with a deadline on every call."""

import asyncio
import json
import logging
import math
import select
import signal
import socket
import subprocess
import sys
import time

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.bundle import Bundle
from edge_agent.inference import wire
from edge_agent.inference.wire import Kind, WireError

log = logging.getLogger(__name__)

START_DEADLINE = 20.0
"""Seconds for a child to import its runtime, load its model and say so."""
KILL_DEADLINE = 0.5
"""Seconds that everything waits for a child that was killed: its memory is given back meanwhile."""
QUICK = 0.001
"""Seconds within which a child answered last time if it is worth waiting for it on the spot."""

BECOME = 'trap "" INT TERM; echo 500 2>/dev/null >/proc/self/oom_score_adj; exec "$0" "$@"'
"""Ctrl-C and a SIGTERM to all of a service are for the parent, which still asks in its last cycle.

When memory runs out the kernel takes the child, not the agent that can start another (proc(5)).
Both is said before the child's first page, so no moment is left in which it would be otherwise.
"""

Floats32 = npt.NDArray[np.float32]


class _Loaded(msgspec.Struct, frozen=True):
    """What a child says of itself once its model is ready."""

    runtime: str
    accelerated: bool


class InferenceFailed(Exception):
    """No answer from this child, now or ever: it is dead, too late, or refused. It must be closed."""


class InferenceLate(InferenceFailed):
    """The deadline passed. The child may never return, so it must be closed."""


class InferenceProcess:
    """A child that has loaded `bundle`'s model. Create with `start`, end with `close`."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.model = bundle.manifest.model
        self._output_size = sum(map(math.prod, self.model.ends[1]))
        self._sock, theirs = socket.socketpair()
        self._sock.setblocking(False)
        self._readable = select.poll()
        self._readable.register(self._sock, select.POLLIN)
        self._quick = False
        child = (sys.executable, "-P", "-m", "edge_agent.inference.child")
        with theirs:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", BECOME, *child, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self.runtime, self.accelerated = "", False

    @classmethod
    async def start(cls, bundle: Bundle, deadline: float = START_DEADLINE) -> "InferenceProcess":
        """Start a child and load the model. Raises `InferenceFailed`; then nothing is left behind."""
        child = cls(bundle)
        try:
            await child._load(deadline)
        except BaseException:
            child.close()
            raise
        return child

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def run(self, rows: Floats32, deadline: float) -> Floats32:
        """Run packed inputs, float32[b, input_size], as one batch; the answers are float32[b, output_size].

        A model with a state takes rows and states, and gives states behind its answers; see `replay`.

        `deadline` is in seconds. Raises `InferenceFailed`, `InferenceLate`.
        """
        reply = await self._call(Kind.RUN, np.ascontiguousarray(rows, np.float32).tobytes(), deadline)
        answer = np.frombuffer(reply, np.float32)
        if answer.size != len(rows) * self._output_size:
            raise InferenceFailed(f"the child answered {answer.size} numbers for {len(rows)} rows")
        return answer.reshape(len(rows), self._output_size)

    async def end(self, deadline: float) -> None:
        """Let the child end by itself, so that a heap which it has spoilt shows. Raises `InferenceFailed`."""
        self._sock.close()
        try:
            code = await asyncio.to_thread(self._process.wait, deadline)
        except subprocess.TimeoutExpired:
            raise InferenceLate(f"the child did not end within {deadline:g} s") from None
        if code:
            raise InferenceFailed(f"the child did not end well ({_named(code)})")

    def close(self) -> None:
        """Kill the child, if it still lives, and wait for it.

        One that the kernel holds, as on a disk that hangs, is left to itself: nobody waits for it.
        """
        self._sock.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        try:
            self._process.wait(timeout=KILL_DEADLINE)
        except subprocess.TimeoutExpired:
            log.warning("inference child %d: killed, and not gone yet", self.pid)

    async def _load(self, deadline: float) -> None:
        body = json.dumps([*self.model.ends, self.model.batch]).encode() + b"\n" + self._bundle.model
        reply = await self._call(Kind.LOAD, body, deadline)
        try:
            loaded = msgspec.json.decode(reply, type=_Loaded)
        except msgspec.MsgspecError as error:
            raise InferenceFailed(f"the child says nonsense of itself: {error}") from None
        self.runtime, self.accelerated = loaded.runtime, loaded.accelerated

    async def _call(self, kind: Kind, body: bytes, deadline: float) -> bytearray:
        if self._sock.fileno() < 0:
            raise InferenceFailed("this child was given up after a call that it did not finish")
        loop = asyncio.get_running_loop()
        started, reply = time.perf_counter(), None
        try:
            async with asyncio.timeout(deadline):
                await loop.sock_sendall(self._sock, wire.HEADER.pack(kind, len(body)) + body)
                if self._quick:
                    # Most models answer before the event loop has turned: wait here, one millisecond at most.
                    self._readable.poll(1)
                replied, length = wire.parse(await self._exactly(wire.HEADER.size))
                reply = await self._exactly(length)
            self._quick = time.perf_counter() - started < QUICK
        except TimeoutError:
            raise InferenceLate(f"no answer from the model within {deadline:g} s") from None
        except (OSError, WireError) as error:
            raise InferenceFailed(f"the inference child is gone ({self._how_it_ended(error)})") from None
        finally:
            if reply is None:
                self._sock.close()  # its late answer must never be taken for one to the next call
        if replied is Kind.ERROR:
            raise InferenceFailed(reply.decode(errors="replace"))
        return reply

    async def _exactly(self, length: int) -> bytearray:
        loop = asyncio.get_running_loop()
        buffer = bytearray(length)
        view = memoryview(buffer)
        while view:
            count = await loop.sock_recv_into(self._sock, view)
            if count == 0:
                raise WireError("closed")
            view = view[count:]
        return buffer

    def _how_it_ended(self, error: Exception) -> str:
        try:
            code = self._process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            return str(error)
        return _named(code)


def _named(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
