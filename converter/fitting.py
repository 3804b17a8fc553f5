"""The steps of a card, with every parameter that it leaves to the training rows."""

from collections.abc import Sequence

import numpy as np

from converter.errors import ConverterError
from converter.table import Floats
from edge_agent.core.steps import Affine, Step, StepError, kind
from edge_agent.core.steps.single import Clip, Select
from edge_agent.core.steps.step import Columnwise, places


def fit(steps: Sequence[Step], columns: Sequence[str], runs: Sequence[Floats], period: float) -> list[Step]:
    """Fit steps to runs of training rows, each to what the ones before it make: float64[n, columns] of a run.

    Raises `ConverterError` that names the step.
    """
    found: list[Step] = []
    asking = [place for place, step in enumerate(steps) if type(step).fitted is not Step.fitted]
    for place, given in enumerate(steps):
        try:
            step = given
            if place in asking:
                step = given.fitted(columns, _all(runs))
            plan = step.plan(columns, period)
        except StepError as error:
            raise ConverterError(f"the card's steps[{place}], {kind(type(given))}: {error}") from None
        if asking and place < asking[-1]:
            runs = [plan.run(rows) for rows in runs if len(rows) > plan.memory]
        columns = plan.columns
        found.append(step)
    return found


def _all(runs: Sequence[Floats]) -> Floats:
    if not runs:
        raise StepError("no run of training rows is as long as the steps before it need")
    return np.concatenate(runs)


def line(
    steps: Sequence[Step], columns: Sequence[str], column: str, period: float
) -> tuple[float, float] | None:
    """Return scale and offset by which a column comes back from what fitted steps make of it.

    None if a step makes something else of it than a straight line.
    """
    scale, offset = 1.0, 0.0
    for step in steps:
        if column not in columns:
            return None
        if isinstance(step, Affine) and not step.suffix:
            chosen = places(step.columns, columns)
            if list(columns).index(column) in chosen:
                place = chosen.index(list(columns).index(column))
                offset += scale * step.offset[place if len(step.offset) > 1 else 0]
                scale *= step.scale[place if len(step.scale) > 1 else 0]
        elif _changes(step, column):
            return None
        columns = step.plan(columns, period).columns
    return scale, offset


def _changes(step: Step, column: str) -> bool:
    """Whether a step that is no line puts something else in the place of a column."""
    if isinstance(step, Clip | Select):
        return False
    if isinstance(step, Columnwise):
        return not step.suffix and (not step.columns or column in step.columns)
    return column in getattr(step, "columns", [])
