"""Durations counted in buckets as they happen, cheap enough for every cycle; read when somebody asks."""

from bisect import bisect_left

BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds: the upper ends of all buckets but the last, which has none."""


class Histogram:
    """Counts of durations. `counts` are per bucket, not cumulative."""

    __slots__ = ("counts", "last", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        """Sum of all durations, in seconds."""
        self.last: float | None = None
        """The latest duration in seconds, None before the first."""

    def observe(self, seconds: float) -> None:
        """Count one duration. A bucket's upper end belongs to it."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self.last = seconds

    def buckets(self) -> list[tuple[str, int]]:
        """Return the cumulative counts by upper end, as Prometheus has them; the last is ``+Inf``."""
        reached, found = 0, []
        for bound, count in zip((*BOUNDS, None), self.counts, strict=True):
            reached += count
            found.append(("+Inf" if bound is None else f"{bound:g}", reached))
        return found
