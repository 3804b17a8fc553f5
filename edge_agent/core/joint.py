"""Many scan classes decoded and graded at once: fifty devices for little more than what one costs."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, groupby, pairwise

import numpy as np

from edge_agent.core.decoder import Decoder, Group, Rows
from edge_agent.core.readcycle import ReadCycle
from edge_agent.core.tags import Columns, Grader


class Joint:
    """Takes the columns of cycles that are whole. Compiled once; from then on the cycles fill its buffer."""

    def __init__(self, cycles: Sequence[ReadCycle]) -> None:
        self._cycles = list(cycles)
        places = [0, *accumulate(cycle.size for cycle in cycles)]
        whole = bytearray(places[-1])
        self._buffer = np.frombuffer(whole, np.uint8)
        for cycle, (start, stop) in zip(cycles, pairwise(places), strict=True):
            cycle.move(memoryview(whole)[start:stop])
        self._decoder = joined([cycle.decoder for cycle in cycles], places)
        self._grader = Grader([tag for cycle in cycles for tag in cycle.tags])
        self._lengths = np.array([len(cycle) for cycle in cycles], np.intp)
        bounds = [0, *accumulate(len(cycle) for cycle in cycles)]
        self._rows = [slice(start, stop) for start, stop in pairwise(bounds)]
        self._numbers = np.arange(bounds[-1])

    def columns(self, whole: Sequence[int], at: Sequence[int]) -> Columns:
        """End the cycles with these indices, which rise, and return their columns, one after the other.

        `at` are monotonic times in ns. The other cycles stay as they are, and what their part of the buffer
        holds is not looked at.
        """
        reason = np.zeros(self._decoder.rows, np.uint8)
        for n in whole:
            cycle = self._cycles[n]
            if cycle.spoilt or cycle.open:
                cycle.explain(reason[self._rows[n]])
        raw, reason, exact = self._decoder.decode(self._buffer, reason)
        when = np.zeros(len(self._lengths), np.int64)
        when[whole] = at
        columns = self._grader.grade(raw, reason, np.repeat(when, self._lengths), exact)
        if len(whole) == len(self._cycles):
            return columns
        rows = np.concatenate([self._numbers[self._rows[n]] for n in whole])
        at_row = dict(enumerate(rows.tolist())) if columns.exact else {}
        said = {i: columns.exact[row] for i, row in at_row.items() if row in columns.exact}
        return replace(columns.take(rows), exact=said)


def joined(parts: Sequence[Decoder], places: Sequence[int]) -> Decoder:
    """Return one for the rows of all parts, one part after the other.

    `places` are where in a common buffer each part's own buffer begins.
    """
    total = sum(part.rows for part in parts)
    first = [0, *accumulate(part.rows for part in parts)]
    first_factor = [total, *(total + n for n in accumulate(part.factors for part in parts))]

    def moved(n: int, rows: Rows) -> Rows:
        own = parts[n].rows
        return np.where(rows < own, rows + first[n], rows - own + first_factor[n])

    numbered = [(n, group) for n, part in enumerate(parts) for group in part.groups]
    numbered.sort(key=lambda pair: pair[1].alike)
    groups = []
    for _, alike in groupby(numbered, key=lambda pair: pair[1].alike):
        pairs = list(alike)
        ahead = accumulate((len(group.rows) for _, group in pairs[:-1]), initial=0)
        fields = [group.fields for _, group in pairs if group.fields is not None]
        groups.append(
            Group(
                pairs[0][1].name,
                pairs[0][1].kind,
                np.concatenate([moved(n, group.rows) for n, group in pairs]),
                np.concatenate([group.index + places[n] for n, group in pairs]),
                (np.concatenate([f[0] for f in fields]), np.concatenate([f[1] for f in fields]))
                if fields
                else None,
                (
                    np.concatenate([group.marks[0] + k for (_, group), k in zip(pairs, ahead, strict=True)]),
                    np.concatenate([group.marks[1] for _, group in pairs]),
                ),
            )
        )
    none = [np.zeros(0, np.intp)]
    return Decoder(
        total,
        sum(part.factors for part in parts),
        tuple(groups),
        tuple(
            (int(moved(n, np.array(row))), index + places[n], encoding)
            for n, part in enumerate(parts)
            for row, index, encoding in part.strings
        ),
        np.concatenate([*none, *(moved(n, part.scaled) for n, part in enumerate(parts))]),
        np.concatenate([*none, *(moved(n, part.factor_of) for n, part in enumerate(parts))]),
    )
