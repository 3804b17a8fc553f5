"""The bundle's steps in their order, planned once: for a whole history, and row by row.

The converter and the agent call these same functions, so that what the gateway computes equals what
was measured.
"""

import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Manifest
from edge_agent.core.ring import Ring
from edge_agent.core.steps import Plan, StepError, kind
from edge_agent.core.tags import Floats

Floats32 = npt.NDArray[np.float32]


class Preparation:
    """The steps of a bundle: `columns` of a row of it become `features`, which the model's tensors name.

    A row of features depends on its row and on the `memory` rows before it; a window on `span` rows.
    """

    def __init__(self, manifest: Manifest) -> None:
        """Plan. Raises `StepError` that names the step."""
        self.columns = tuple(manifest.columns)
        self.features, self.memory = self.columns, 0
        self.plans: list[Plan] = []
        self._origins: dict[str, str] = {}
        for place, step in enumerate(manifest.steps):
            where = f"steps[{place}] {kind(type(step))}"
            try:
                plan = step.plan(self.features, manifest.period)
            except StepError as error:
                raise StepError(f"{where}: {error}") from None
            if len(set(plan.columns)) < len(plan.columns):
                raise StepError(f"{where}: makes a column that is there already; give another name or suffix")
            self.plans.append(plan)
            self.features = plan.columns
            self.memory += plan.memory
            self._origins.update(plan.origins)
        self.span = manifest.window + self.memory

    def origin(self, feature: str) -> str:
        """Return the column of which a feature is made, the first one if there are several."""
        known = set(self.columns)
        while feature not in known and feature in self._origins:
            feature = self._origins[feature]
        return feature

    def __call__(self, rows: Floats) -> Floats32:
        """Turn float64[..., n, columns] in engineering units into float32[..., n - memory, features]."""
        with np.errstate(all="ignore"):
            for plan in self.plans:
                rows = plan.run(rows)
            return rows.astype(np.float32)


class Chain:
    """The steps of one machine, row by row: the same functions, on the last rows that each of them needs."""

    def __init__(self, prepare: Preparation) -> None:
        self._steps: list[tuple[Plan, Ring | None]] = []
        width = len(prepare.columns)
        for plan in prepare.plans:
            self._steps.append((plan, Ring(plan.memory + 1, width) if plan.memory else None))
            width = len(plan.columns)
        self._width = width

    def restart(self) -> None:
        """Forget all rows."""
        for _, ring in self._steps:
            if ring is not None:
                ring.restart()

    def push(self, row: Floats) -> Floats32 | None:
        """Turn float64[columns] into float32[features]; None while a step has too few rows."""
        rows = row[np.newaxis]
        with np.errstate(all="ignore"):
            for plan, ring in self._steps:
                if ring is not None:
                    ring.append(rows[0])
                    if not ring.full:
                        return None
                    rows = ring.view
                rows = plan.run(rows)
            found: Floats32 = rows[0].astype(np.float32)
            return found

    def replay(self, rows: Floats) -> Floats32:
        """Begin anew with float64[n, columns], as if pushed one by one: float32[n - memory, features]."""
        self.restart()
        with np.errstate(all="ignore"):
            for plan, ring in self._steps:
                if ring is not None:
                    ring.fill(rows[-plan.memory - 1 :])
                    if len(rows) <= plan.memory:
                        return np.empty((0, self._width), np.float32)
                rows = plan.run(rows)
            return rows.astype(np.float32)
