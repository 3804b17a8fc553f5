"""What a model keeps of a machine from row to row. It belongs to the machine, not to the model's process."""

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]


class Stream:
    """The state of one machine, float32[size], all 0 at the beginning."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.restart()

    @property
    def finite(self) -> bool:
        """Whether the state holds neither NaN nor infinity."""
        return bool(np.isfinite(self._state).all())

    def restart(self) -> None:
        """Begin anew with the next row."""
        self._state = np.zeros(self._size, np.float32)

    def ask(self, row: Floats32) -> Floats32:
        """Return what to ask the model for float32[columns]: the row, and the state before it."""
        return np.concatenate((row, self._state))

    def keep(self, answer: Floats32) -> Floats32:
        """Keep the state that comes behind an answer, and return the answer alone."""
        self._state = answer[-self._size :].copy()
        return answer[: -self._size]
