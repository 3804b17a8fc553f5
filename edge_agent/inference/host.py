"""A bundle kept running: the child is proven at start, restarted when it dies, and never trusted late."""

import asyncio
import logging
import time

import numpy as np
import numpy.typing as npt

from edge_agent.bundle import Bundle
from edge_agent.core.histogram import Histogram
from edge_agent.core.tags import Reason
from edge_agent.inference import fitness
from edge_agent.inference.process import InferenceFailed, InferenceLate, InferenceProcess
from edge_agent.inference.proof import proven, questions
from edge_agent.inference.replay import openings

log = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = 0.1, 10.0
"""Seconds between restarts, doubled from the first to the last while the child dies at once."""

Floats32 = npt.NDArray[np.float32]


class ModelHost:
    """Runs one bundle's model in a child process. `deadline` of a call is in seconds."""

    hurried = True
    """Whether a cycle waits for it: then what is not urgent is left out when time is short."""

    def __init__(self, name: str, bundle: Bundle, deadline: float) -> None:
        self.name, self.bundle = name, bundle
        self._deadline = deadline
        self._child: InferenceProcess | None = None
        self._lock = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._pause = 0.0
        self._reason = Reason.MODEL_DOWN
        self._complained = False
        self.starts = self.failures = 0
        self.answers = Histogram()
        """How long batches take, from here to the child and back."""
        self.runtime = ""

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child else None

    @property
    def settled(self) -> bool:
        """Whether it is known how its start went: proven, failed, or there is no model to start."""
        return self._child is not None or self.failures > 0 or self.bundle.absent

    async def run(self) -> None:
        """Start the child whenever there is none, for ever."""
        while not self.bundle.absent:
            await self._wanted.wait()
            await asyncio.sleep(self._pause)
            self._pause = min(max(2 * self._pause, FIRST_RETRY), LAST_RETRY)
            try:
                await self.warm()
            except InferenceFailed as error:
                self._complain(error)

    async def warm(self) -> None:
        """Start a child and prove it, once. Raises `InferenceFailed`; then nothing is left behind."""
        child, difference = await proven(self.bundle)
        try:
            asked = openings(child, questions(self.bundle))
            complaints = await fitness.look(self.bundle, child, asked)
        except BaseException:
            child.close()
            raise
        for complaint in complaints:
            log.warning("model %s: %s", self.name, complaint)
        self._child = child
        self._wanted.clear()
        self.starts += 1
        self.runtime = child.runtime
        self._complained = False
        log.info(
            "model %s: known answers proven on %s, largest difference %.2g",
            self.name,
            child.runtime,
            difference,
        )

    async def ask(self, rows: Floats32) -> Floats32 | Reason:
        """Run packed inputs as one batch: packed answers, or the reason why there are none.

        Waits a deadline for its turn, if others ask too, and one for the answer.
        """
        if self._lock.locked():
            try:
                async with asyncio.timeout(self._deadline):
                    await self._lock.acquire()
            except TimeoutError:
                return Reason.MODEL_LATE
        else:
            await self._lock.acquire()
        try:
            if self._child is None:
                return self._reason
            asked = time.perf_counter()
            try:
                answers = await self._child.run(rows, self._deadline)
            except InferenceFailed as error:
                self._reason = Reason.MODEL_LATE if isinstance(error, InferenceLate) else Reason.MODEL_DOWN
                self.close()
                self._complain(error)
                self._wanted.set()
                return self._reason
            except asyncio.CancelledError:
                self.close()
                raise
            self.answers.observe(time.perf_counter() - asked)
        finally:
            self._lock.release()
        self._pause = 0.0
        return answers

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _complain(self, error: InferenceFailed) -> None:
        self.failures += 1
        if not self._complained:
            self._complained = True
            log.warning("model %s: %s; no results until it is back", self.name, error)
