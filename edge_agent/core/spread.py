"""Made-up inputs of a model, the same everywhere and for ever: spread over its known ones, and beyond.

They are drawn from SHAKE-256 (FIPS 202): a library's generator may give other numbers in its next version.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]

ROWS = 1000
LARGEST = 65_536
"""Numbers that a bundle keeps of what its model answered to such inputs."""
_BEYOND = np.array([1e-38, 1.5, 1e3, 1e6, 1e30, 3e38])


def spread(known: Floats32) -> tuple[Floats32, Floats32]:
    """Return inputs within the range of the known float32[k, n], and inputs beyond it: 900 and 100 rows.

    The first are random, every fifth in a corner of the range, and begin with the smallest and the largest.
    The second have one number, or all, at a magnitude that no data has.
    """
    low, high = known.min(axis=0).astype(np.float64), known.max(axis=0).astype(np.float64)
    inside, outside = ROWS - ROWS // 10, ROWS // 10
    share = _uniform(b"inside", inside, known.shape[1])
    share[::5] = np.rint(share[::5])
    share[0], share[1] = 0.0, 1.0
    within = low + share * (high - low)
    sizes = _BEYOND[np.arange(outside) % len(_BEYOND), np.newaxis]
    signs = np.where(_uniform(b"signs", outside, known.shape[1]) < 0.5, -1.0, 1.0)
    hit = np.ones(signs.shape, np.bool_)
    hit[::2] = np.arange(known.shape[1]) == (np.arange(0, outside, 2) % known.shape[1])[:, np.newaxis]
    beyond = np.where(hit, sizes * signs, within[:outside])
    return within.astype(np.float32), beyond.astype(np.float32)


def kept(output_size: int) -> int:
    """Return to how many of the inputs within the range a bundle keeps the answers."""
    return min(ROWS - ROWS // 10, max(1, LARGEST // output_size))


def _uniform(salt: bytes, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Return float64[rows, columns] in 0..1."""
    drawn = np.frombuffer(hashlib.shake_256(salt).digest(4 * rows * columns), "<u4")
    return drawn.reshape(rows, columns) / float(2**32)
