"""Which candidate becomes the bundle, and in one sentence why each other one does not."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from converter.compare import Comparison
from converter.decisions import Decisions
from converter.errors import ConverterError
from converter.recipes import RECIPES, Name
from edge_agent.inference.timing import Latency

MAX_ERROR, MAX_FLIPS = 0.05, 0.001
NOISE = 0.1
"""Two times, or two sizes, that differ by no more are the same."""
UNSEEN = 50.0
"""Microseconds: what a cycle does not notice, because the way to the child and back costs more."""
BLOCK = 4096
"""Bytes: what no disk and no memory notices."""


class Saturation(msgspec.Struct, frozen=True, kw_only=True):
    """How one input fits the scale of a quantised model's input, over the held-back windows.

    `clipped` is the share of values that the scale cannot hold, `steps` how many steps of it lie between
    the smallest and the largest value.
    """

    input: str
    clipped: float
    steps: int


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest and the largest score of one output over the held-back windows; None if it had none."""

    output: str
    min: float | None
    max: float | None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a candidate. Sizes are bytes, `weights` are counts by dtype, biases left out.

    `floats` are the layers that the recipe mixed left in float, by the tensors that they make.
    `decisions` has one for each output that decides something, `scores` the range of each output's score.
    `saturation` is empty for a float input.
    """

    size: int
    weights: dict[str, int]
    floats: list[str] = []
    comparison: Comparison
    decisions: list[Decisions]
    scores: list[Scores]
    saturation: list[Saturation]
    latency: Latency
    rss: int
    """Resident memory of the gateway's child that runs it."""

    @property
    def decided(self) -> Decisions | None:
        """The decisions of the output that flips most."""
        return max(self.decisions, key=lambda d: (d.missed > 0, d.flips), default=None)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe: what was measured, if it ran at all, and why it was chosen or not."""

    recipe: Name
    chosen: bool = False
    reason: str
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a candidate may cost.

    `max_error` is a fraction of the output's range, None for the recipes' own and at most 5 %; `max_flips`
    is a fraction of the windows held back.
    """

    max_error: float | None = None
    max_flips: float = MAX_FLIPS

    def error(self, recipe: Name) -> float:
        """Return the largest error that is taken from a recipe."""
        return min(RECIPES[recipe].accepted, MAX_ERROR) if self.max_error is None else self.max_error


def choose(candidates: list[Candidate], budget: Budget) -> list[Candidate]:
    """Return the candidates with one chosen, and the reason given for each. Raises `ConverterError`.

    Of those within the budget the fastest is taken. Times that are within 10 % or 50 µs of it count as
    equal: then the smallest file is taken, and of those within 10 % or 4096 bytes of it the most exact.
    """
    lost = {c.recipe: c.reason or over(c.recipe, c.measured, budget) for c in candidates}
    left = {c.recipe: c.measured for c in candidates if c.measured and not lost[c.recipe]}
    if not left:
        raise ConverterError("no recipe gives a model that can be used:\n" + _listed(lost))
    time = min(m.latency.model for m in left.values())
    quick = {r: m for r, m in left.items() if m.latency.model <= max(time * (1 + NOISE), time + UNSEEN)}
    size = min(m.size for m in quick.values())
    small = {r: m for r, m in quick.items() if m.size <= max(size * (1 + NOISE), size + BLOCK)}
    best = min(small, key=lambda recipe: small[recipe].comparison.mean_error)
    winner = left[best]
    for recipe, m in left.items():
        if recipe not in quick:
            lost[recipe] = f"slower: {m.latency.model:.0f} µs where {best} takes {winner.latency.model:.0f}"
        elif recipe not in small:
            lost[recipe] = f"as fast as {best}, but larger: {m.size} bytes where it has {winner.size}"
        elif recipe != best:
            lost[recipe] = f"as fast and as small as {best}, but not more exact"
    lost[best] = _praise(best, list(left), len(candidates))
    return [
        msgspec.structs.replace(c, chosen=c.recipe == best, reason=lost[c.recipe].strip()) for c in candidates
    ]


def over(recipe: Name, measured: Measured | None, budget: Budget) -> str:
    """Return in what a candidate exceeds the budget, or nothing."""
    if measured is None:
        return "not measured"
    return excess(recipe, measured.comparison, measured.decisions, budget, measured.saturation)


def excess(
    recipe: Name,
    found: Comparison,
    decisions: Sequence[Decisions],
    budget: Budget,
    saturation: Sequence[Saturation] = (),
) -> str:
    """Return in what errors and decisions exceed the budget, or nothing."""
    allowed = budget.error(recipe)
    if not np.isfinite(found.max_error):
        return "answers NaN or infinity to real rows"
    if not found.fraction <= allowed:
        return (
            f"wrong by up to {found.max_error:.3g}, {found.fraction:.2%} of the output's range, "
            f"where {100 * allowed:.4g}% is accepted{_blame(saturation)}"
        )
    for decided in decisions:
        of = f" of {decided.output}" if len(found.outputs) > 1 else ""
        if not decided.flips <= budget.max_flips:
            by = "largest class" if decided.limit is None else f"limit {decided.limit:g}"
            return (
                f"decides otherwise in {decided.flips:.2%} of the windows ({by}{of}), "
                f"where {budget.max_flips:.2%} is accepted"
            )
        if decided.missed:
            return f"misses {decided.missed} of the {decided.alarms} alarms{of} that the original raises"
    return ""


def _blame(saturation: Sequence[Saturation]) -> str:
    """Name the inputs that a quantised input hurts most."""
    clipped = [s.input for s in saturation if s.clipped > NOISE / 100]
    coarse = [s.input for s in saturation if s.steps < 16]
    told = f"; its input scale clips {', '.join(clipped)}" if clipped else ""
    return told + (f"; its input scale has fewer than 16 steps for {', '.join(coarse)}" if coarse else "")


def _praise(best: Name, able: list[Name], tried: int) -> str:
    if able == [best]:
        return "the only one within the budget" if tried > 1 else "asked for"
    return f"of the {len(able)} within the budget, none is faster, then smaller, then more exact"


def _listed(reasons: dict[Name, str]) -> str:
    return "\n".join(f"  {recipe}: {reason}" for recipe, reason in reasons.items())
