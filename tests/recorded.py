"""Results of a machine as its history keeps them: by the history's own code, as fast as it goes."""

from pathlib import Path

import numpy as np

from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Floats, Reason
from edge_agent.history import file, rows
from edge_agent.history.rows import Row, When
from edge_agent.history.store import Store

AT_ONCE = 2000
"""Rows in a commit."""


def result(at: float, machine: str, scores: dict[str, float], inputs: Floats) -> Row:
    """The row of one cycle; a score that is NaN is no result."""
    count = len(inputs)
    columns = Columns(
        inputs, np.full(count, 2, np.uint8), np.zeros(count, np.uint8), np.zeros(count, np.int64)
    )
    verdict = Verdict(
        state=State.ADVISORY,
        reason=Reason.NONE,
        score=next(iter(scores.values())),
        readings=tuple(Reading(output=name, score=score, value=score) for name, score in scores.items()),
    )
    return rows.result(When(at, int(at * 1e9)), machine, 0, columns, verdict)


def record(path: Path, machine: str, at: Floats, score: Floats, inputs: Floats) -> None:
    """Keep results at float64[n] wall times, with float64[n] scores of ``bearing_wear``, [n, k] inputs."""
    store = Store(path, file.LARGEST, 0)
    for first in range(0, len(at), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        assert store.keep(
            [
                result(when, machine, {"bearing_wear": s}, values)
                for when, s, values in zip(at[part].tolist(), score[part].tolist(), inputs[part], strict=True)
            ]
        )
        store.tend()
    store.close()
