"""The windows of the known answers, which every gateway replays before it uses the bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from converter import dataset
from converter.dataset import Dataset, Floats32, Windows
from converter.decisions import Course
from converter.table import Floats, Integers
from edge_agent.core.manifest import Manifest
from edge_agent.core.packing import Packing
from edge_agent.core.preparation import Preparation

OVER_TIME, OVER_ANSWERS, CORNERS = 16, 8, 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What the original is asked: the windows held back, some spread over time, and the corners.

    `held` and `over_time` are the last rows of windows; `flat` float32[k, window * features] holds
    all of them after the steps, the three corners last.
    """

    data: Dataset
    held: Integers
    over_time: Integers
    flat: Floats32

    @classmethod
    def of(cls, draft: Manifest, data: Dataset, held: Integers) -> Self:
        """Choose what is spread over time."""
        over_time = dataset.spread(data.ends(Preparation(draft).span), OVER_TIME)
        real = dataset.flat(draft, data.rows, np.concatenate([held, over_time]))
        made_up = dataset.prepared(draft, corners(draft))
        return cls(data, held, over_time, np.concatenate([real, made_up]))

    def seen(self, manifest: Manifest) -> Windows:
        """Return the windows held back, packed for the model of `manifest`."""
        packed = Packing.of(manifest)(self.flat[: len(self.held)])
        return Windows(self.held, self.data.rows[self.held, : len(manifest.inputs)], packed)

    def known(
        self, manifest: Manifest, answers: Floats32, said: Mapping[str, Course]
    ) -> tuple[Floats, Floats32]:
        """Return the windows of the known answers, and what the original answered to each.

        They are those over time, those over what the original `said`, so that a rare fault is known too, and
        the way there, and the corners. `answers` are packed, to all of `flat`.
        """
        places = _over_answers(said)
        chosen, first = np.unique(np.concatenate([self.held[places], self.over_time]), return_index=True)
        over_time = np.arange(len(self.held), len(answers) - CORNERS)
        rows = np.concatenate([places, over_time])[first]
        real = dataset.raw_windows(self.data.rows, chosen, Preparation(manifest).span)
        return np.concatenate([real, corners(manifest)]), np.concatenate([answers[rows], answers[-CORNERS:]])


def corners(manifest: Manifest) -> Floats:
    """Return windows with every input at its minimum, its maximum, its mean: float64[3, span, columns].

    The wall time is that of the beginning of 1970.
    """
    given = [*manifest.inputs, *manifest.constants]
    levels = np.zeros((3, len(manifest.columns)))
    levels[:, : len(given)] = [[getattr(i, k) for i in given] for k in ("min", "max", "mean")]
    found: Floats = np.repeat(levels[:, None], Preparation(manifest).span, axis=1)
    return found


def _over_answers(said: Mapping[str, Course]) -> Integers:
    """Choose places of windows that are spread over what each output says."""
    chosen: list[int] = []
    for course in said.values():
        answers = np.where(np.isnan(course.scores), course.values, course.scores)
        levels = np.linspace(answers.min(), answers.max(), OVER_ANSWERS)
        chosen += [int(np.abs(answers - level).argmin()) for level in levels]
    return np.unique(np.array(chosen, np.int64))
