"""How much a column changed."""

import msgspec

from edge_agent.core.steps.step import LONGEST, Columnwise, Floats, Rows, StepError


class Difference(
    Columnwise, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="difference"
):
    """``x - x so many rows before``."""

    rows: int = 1

    def function(self, width: int, period: float) -> tuple[Rows, int]:
        """Return the difference."""
        del width, period
        ago = self.rows
        if not 1 <= ago <= LONGEST:
            raise StepError(f"rows {ago}: 1 to {LONGEST}")
        return lambda rows: rows[..., ago:, :] - rows[..., :-ago, :], ago


class Rate(Difference, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rate"):
    """The difference per second."""

    def function(self, width: int, period: float) -> tuple[Rows, int]:
        """Return the rate."""
        difference, ago = super().function(width, period)
        seconds = ago * period

        def rate(rows: Floats) -> Floats:
            return difference(rows) / seconds

        return rate, ago
