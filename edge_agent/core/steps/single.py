"""Steps that look at one number at a time: clip, logarithm, one-hot, ratio."""

from collections.abc import Sequence

import msgspec
import numpy as np

from edge_agent.core.steps.step import (
    Columnwise,
    Floats,
    Plan,
    Rows,
    Step,
    StepError,
    one_each,
    place_of,
    places,
    without,
)


class Clip(Columnwise, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="clip"):
    """Nothing below `low`, nothing above `high`: one number for all columns or one for each.

    A card without one of them takes the smallest or largest training value.
    """

    low: list[float] = []
    high: list[float] = []

    def function(self, width: int, period: float) -> tuple[Rows, int]:
        """Return what clips."""
        del period
        low, high = one_each(self.low, width, "low"), one_each(self.high, width, "high")
        if (low > high).any():
            raise StepError("low must not be above high")
        return lambda rows: np.minimum(np.maximum(rows, low), high), 0

    def fitted(self, columns: Sequence[str], rows: Floats) -> "Clip":
        """Return it with the range of the training rows where the card gives none."""
        seen = rows[:, places(self.columns, columns)]
        return msgspec.structs.replace(
            self, low=self.low or seen.min(axis=0).tolist(), high=self.high or seen.max(axis=0).tolist()
        )


class Log(Columnwise, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="log"):
    """The natural logarithm; a number below `floor` counts as `floor`, which is more than 0."""

    floor: float

    def function(self, width: int, period: float) -> tuple[Rows, int]:
        """Return the logarithm."""
        del width, period
        if not self.floor > 0:
            raise StepError(f"floor {self.floor:g} must be more than 0, which has no logarithm")
        return lambda rows: np.log(np.maximum(rows, self.floor)), 0


class Ratio(Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ratio"):
    """``x / by`` for each of `columns`; a `by` below `floor`, which is more than 0, counts as `floor`.

    `by` is another column: a tag, or a constant of the machine such as its rated power. It stays.
    """

    columns: list[str]
    by: str
    floor: float

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan as `Step` says."""
        del period
        chosen, by = places(self.columns, columns), place_of(self.by, columns)
        if not self.columns or by in chosen:
            raise StepError("columns must be named, and `by` must not be one of them")
        if not self.floor > 0:
            raise StepError(f"floor {self.floor:g} must be more than 0, by which nothing can be divided")

        def run(rows: Floats) -> Floats:
            found = rows.copy()
            found[..., chosen] = rows[..., chosen] / np.maximum(rows[..., by : by + 1], self.floor)
            return found

        return Plan(tuple(columns), run)


class OneHot(Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="one_hot"):
    """A column of codes becomes one of 0 and 1 for each of `values`, named ``column=value``, at the end.

    A code that is none of them is 0 in all.
    """

    column: str
    values: list[float]

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan as `Step` says."""
        del period
        place = place_of(self.column, columns)
        kept, values = without([place], columns), np.array(self.values)
        if not self.values or len(set(self.values)) < len(self.values):
            raise StepError("values: at least one, each once")
        made = {f"{self.column}={value:g}": self.column for value in self.values}
        if len(made) < len(values):
            raise StepError("values: two of them look the same in six digits")

        def run(rows: Floats) -> Floats:
            codes = (rows[..., place : place + 1] == values).astype(np.float64)
            return np.concatenate((rows.take(kept, axis=-1), codes), axis=-1)

        return Plan((*(columns[p] for p in kept), *made), run, origins=made)


class Select(Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="select"):
    """Keep these columns, in this order, and drop all others."""

    columns: list[str]

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan as `Step` says."""
        del period
        chosen = places(self.columns, columns)
        if not self.columns:
            raise StepError("columns: name what to keep")
        return Plan(tuple(self.columns), lambda rows: rows.take(chosen, axis=-1))
