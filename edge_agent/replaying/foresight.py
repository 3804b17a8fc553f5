"""A bundle's model that answers many ticks at once: what it will be asked is known before."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from edge_agent.bundle import Bundle
from edge_agent.core.tags import Reason
from edge_agent.inference.host import ModelHost
from edge_agent.inference.process import InferenceFailed
from edge_agent.inference.proof import proven

Floats32 = npt.NDArray[np.float32]

DEADLINE = 60.0
"""Seconds for one batch. Nothing waits for a replay."""


class Foresight(ModelHost):
    """Answers as the model in its child does, from what was asked ahead where that is the very same.

    A packed input is looked up by its bytes, so that an answer is never one to anything else; the child
    answers a row of a batch to the bit as it answers it alone.
    """

    hurried = False

    def __init__(self, name: str, bundle: Bundle, deadline: float) -> None:
        super().__init__(name, bundle, deadline)
        self.failing = Reason.NONE
        """Any other reason is its answer to everything: the model had failed when this was recorded."""
        self._ahead: dict[bytes, Floats32] = {}

    async def open(self) -> None:
        """Start the child and prove the known answers. Raises `InferenceFailed`."""
        self._child, _ = await proven(self.bundle)

    async def look_ahead(self, asked: Iterable[Floats32]) -> None:
        """Forget what was asked ahead, and ask these packed inputs in one batch. Raises `InferenceFailed`."""
        rows = {row.tobytes(): row for row in asked}
        self._ahead = {}
        if rows:
            answers = await self._from_the_child(np.stack(list(rows.values())))
            self._ahead = dict(zip(rows, answers, strict=True))

    async def ask(self, rows: Floats32) -> Floats32 | Reason:
        """Answer packed inputs. Raises `InferenceFailed`: a replay has no use for a model that is down."""
        if self.failing is not Reason.NONE:
            return self.failing
        known = [self._ahead.get(row.tobytes()) for row in rows]
        found = [answer for answer in known if answer is not None]
        return np.stack(found) if len(found) == len(rows) else await self._from_the_child(rows)

    async def _from_the_child(self, rows: Floats32) -> Floats32:
        if self._child is None:
            raise InferenceFailed("the model was not opened")
        return await self._child.run(rows, DEADLINE)
