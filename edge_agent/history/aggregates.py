"""Aggregates of results by minute and hour: the lowest, highest and last of every score and input.

These are Minimum, Maximum and End of OPC UA (Part 13, Aggregates).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from edge_agent.core.tags import Floats

DIGITS = 7
"""Of a number: single precision, in which scores are computed."""
SPANS = {"minute": 60, "hour": 3600}
"""Tables, and the seconds that one of their rows is about."""
ROWS = (
    "SELECT id, time, machine, score, "
    "CASE WHEN json_valid(inputs) THEN inputs ELSE '[]' END, CASE WHEN json_valid(outputs) THEN outputs END "
    "FROM result WHERE id > ? "
)
Row = tuple[int, float, str, float | None, str, str | None]
"""As `ROWS` asks for it: id, time, machine, score, inputs and outputs as JSON."""
Known = tuple[float, str, str]
"""`until`, `scores` and `inputs` of an aggregate, as the tables have them."""


class _Said(msgspec.Struct):
    score: float | None = None


_INPUTS = msgspec.json.Decoder(list[list[float | None]])
_OUTPUTS = msgspec.json.Decoder(list[dict[str, _Said]])
_SCORES = msgspec.json.Decoder(list[dict[str, list[float | None]]])
_COLUMNS = msgspec.json.Decoder(list[list[list[float | None]]])


def scores_of(rows: Sequence[Row]) -> dict[str, Floats]:
    """Return float64[rows] for each output that is in any of them, NaN where there is no score.

    A row of before there were several outputs has its one score under "".
    """
    said = _OUTPUTS.decode(_listed(outputs or "{}" for *_, outputs in rows))
    found: dict[str, Floats] = {}
    for number, (outputs, (_, _, _, score, _, text)) in enumerate(zip(said, rows, strict=True)):
        for name, value in outputs.items() if text is not None else [("", _Said(score))]:
            if name not in found:
                found[name] = np.full(len(rows), np.nan)
            if value.score is not None:
                found[name][number] = value.score
    return found


def inputs_of(rows: Sequence[Row], count: int | None = None) -> Floats:
    """Return float64[rows, inputs], NaN where there is no value, and in rows of another number of inputs.

    `count` is that of the last row if it is not given.
    """
    said = _INPUTS.decode(_listed(inputs for *_, inputs, _ in rows))
    count = len(said[-1]) if count is None else count
    none: list[float | None] = [None] * count
    fits = [values if len(values) == count else none for values in said]
    return np.array(fits, np.float64).reshape(len(rows), count)


def aggregates_of(known: Sequence[Known], outputs: Sequence[str], inputs: int) -> Floats:
    """Return float64[aggregates, 3, columns]: lowest, highest, last; columns of outputs, then of inputs."""
    said = _SCORES.decode(_listed(scores for _, scores, _ in known))
    values = _COLUMNS.decode(_listed(columns for _, _, columns in known))
    nothing: list[float | None] = [None] * 3
    # What was kept before there were several outputs is the first one's.
    firsts = [[name, ""] if number == 0 else [name] for number, name in enumerate(outputs)]
    named = [[next((s[n] for n in names if n in s), nothing) for names in firsts] for s in said]
    none = [[None] * inputs] * 3
    fits = [columns if len(columns[0]) == inputs else none for columns in values]
    scores = np.array(named, np.float64).reshape(len(known), len(outputs), 3).swapaxes(1, 2)
    return np.concatenate([scores, np.array(fits, np.float64).reshape(len(known), 3, inputs)], axis=2)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`until` is the time of its last row. Lowest, highest, last: float64[3] of scores, [3, inputs]."""

    until: float
    scores: dict[str, Floats]
    inputs: Floats

    def and_then(self, later: "Aggregate") -> "Aggregate":
        """Return that of both. Of other inputs than the later ones nothing is left."""
        scores = self.scores | {
            name: _both(self.scores[name], score) if name in self.scores else score
            for name, score in later.scores.items()
        }
        alike = self.inputs.shape == later.inputs.shape
        return Aggregate(later.until, scores, _both(self.inputs, later.inputs) if alike else later.inputs)


def _both(before: Floats, later: Floats) -> Floats:
    return np.stack([np.fmin(before[0], later[0]), np.fmax(before[1], later[1]), later[2]])


def aggregate(rows: Sequence[Row]) -> Aggregate:
    """Return that of some rows, at least one."""
    inputs = inputs_of(rows)
    scores = {name: _extremes(values) for name, values in scores_of(rows).items()}
    return Aggregate(rows[-1][1], scores, _extremes(inputs))


def _extremes(values: Floats) -> Floats:
    return np.stack([np.fmin.reduce(values), np.fmax.reduce(values), values[-1]])


def read(known: Known) -> Aggregate:
    """Return an aggregate as it was written."""
    until, scores, inputs = known
    (said,), (columns,) = _SCORES.decode(_listed([scores])), _COLUMNS.decode(_listed([inputs]))
    named = {name: np.array(values, np.float64) for name, values in said.items()}
    return Aggregate(until, named, np.array(columns, np.float64))


def written(aggregate: Aggregate) -> Known:
    """Return an aggregate as it is written, to `DIGITS` digits."""
    scores = {name: _numbers(values) for name, values in aggregate.scores.items()}
    inputs = [_numbers(values) for values in aggregate.inputs]
    return aggregate.until, msgspec.json.encode(scores).decode(), msgspec.json.encode(inputs).decode()


def _numbers(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def _listed(texts: Iterable[str]) -> str:
    return f"[{','.join(texts)}]"
