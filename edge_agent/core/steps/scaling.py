"""Straight lines: what a bundle holds is `Affine`, what a card says may be one of three ways to it."""

from collections.abc import Sequence

import msgspec

from edge_agent.core.steps.step import Columnwise, Floats, Plan, Rows, Step, StepError, one_each, places


class Affine(Columnwise, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="affine"):
    """``(x - offset) / scale``, with one number for all columns or one for each."""

    offset: list[float]
    scale: list[float]

    def function(self, width: int, period: float) -> tuple[Rows, int]:
        """Return the line."""
        del period
        offset, scale = one_each(self.offset, width, "offset"), one_each(self.scale, width, "scale")
        if 0.0 in self.scale:
            raise StepError("scale: 0 divides by zero")
        return lambda rows: (rows - offset) / scale, 0


class _Fit(Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way to an `Affine`, whose numbers are those of the training rows."""

    columns: list[str] = []

    def line(self, column: Floats) -> tuple[float, float]:
        """Return offset and scale for float64[n]; scale 0 if there is none."""
        raise NotImplementedError

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Refuse: a bundle holds the numbers."""
        del columns, period
        raise StepError("is for cards only: a bundle holds the numbers, as affine")

    def fitted(self, columns: Sequence[str], rows: Floats) -> Affine:
        """Return the line through the training rows."""
        chosen = places(self.columns, columns)
        lines = [self.line(rows[:, place]) for place in chosen]
        flat = [columns[place] for place, (_, scale) in zip(chosen, lines, strict=True) if scale == 0]
        if flat:
            raise StepError(
                f"column {', '.join(flat)} is constant or 0 in the training rows; take it out of the "
                "model, or give the scaling of the training script as kind affine"
            )
        return Affine(columns=self.columns, offset=[o for o, _ in lines], scale=[s for _, s in lines])


class Standardise(_Fit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="standardise"):
    """``(x - mean) / standard deviation``, the population's, as scikit-learn's StandardScaler has it."""

    def line(self, column: Floats) -> tuple[float, float]:
        """Return mean and standard deviation."""
        return float(column.mean()), float(column.std()) if column.min() < column.max() else 0.0


class MinMax(_Fit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="min_max"):
    """From `low` at the smallest training value to `high` at the largest, and on beyond both."""

    low: float = 0.0
    high: float = 1.0

    def line(self, column: Floats) -> tuple[float, float]:
        """Return the line through both ends."""
        if not self.low < self.high:
            raise StepError(f"low {self.low:g} must be below high {self.high:g}")
        smallest, largest = float(column.min()), float(column.max())
        scale = (largest - smallest) / (self.high - self.low)
        return smallest - self.low * scale, scale


class DivideByMax(_Fit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="divide_by_max"):
    """``x / the largest training value``."""

    def line(self, column: Floats) -> tuple[float, float]:
        """Return no offset and the largest."""
        return 0.0, float(column.max())
