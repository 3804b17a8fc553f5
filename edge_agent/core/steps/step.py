"""What a step is: a frozen record of parameters that is planned once, then called with rows.

A step has no state. What it says of a row depends on that row and on the `memory` rows before it, and on
nothing else, so that one function serves a whole history and one tick, and a reset is an empty ring.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = Callable[[Floats], Floats]

CLOCK = "time"
"""The column that steps with `clock` are given: the wall time of the row, in seconds since 1970 (UTC)."""
LONGEST = 100_000
"""Rows that the steps of a bundle may remember together."""
_NOTHING: Mapping[str, str] = MappingProxyType({})


class StepError(ValueError):
    """A step that cannot be planned; the text says why and what to do."""


class Plan(NamedTuple):
    """A step ready to run on named columns.

    `run` turns float64[..., n, columns] into float64[..., n - memory, len(self.columns)], for every n above
    `memory`. It never writes to its input, and gives the same bits for a row whatever n is. Finite numbers
    up to 1e100 never become NaN. `origins` says of a new column from which one it is made.
    """

    columns: tuple[str, ...]
    run: Rows
    memory: int = 0
    origins: Mapping[str, str] = _NOTHING


class Step:
    """The base of every step: a `msgspec.Struct` with a tag, found under the tag's name.

    Steps of others are entry points of the group ``edge_agent.steps``.
    """

    __slots__ = ()

    clock = False
    """Whether it needs the column `CLOCK`; it must not pass it on."""

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan for rows of these columns, `period` seconds apart. Raises `StepError`."""
        raise NotImplementedError

    def fitted(self, columns: Sequence[str], rows: Floats) -> "Step":
        """Return the step with every parameter known, from float64[n, columns] of training rows.

        Raises `StepError`.
        """
        del columns, rows
        return self


def places(chosen: Sequence[str], columns: Sequence[str]) -> list[int]:
    """Return where the chosen columns stand; without a choice all but the clock. Raises `StepError`."""
    if not chosen:
        return [place for place, name in enumerate(columns) if name != CLOCK]
    if len(set(chosen)) < len(chosen):
        raise StepError("names a column twice")
    return [place_of(name, columns) for name in chosen]


def place_of(name: str, columns: Sequence[str]) -> int:
    """Return where a column stands. Raises `StepError`."""
    if name not in columns:
        raise StepError(f"there is no column {name!r} here, only {', '.join(columns)[:300]}")
    return list(columns).index(name)


def elements(name: str, columns: Sequence[str]) -> list[int]:
    """Return where ``name[0]``, ``name[1]``, ... stand. Raises `StepError`."""
    at, found = {column: place for place, column in enumerate(columns)}, list[int]()
    while f"{name}[{len(found)}]" in at:
        found.append(at[f"{name}[{len(found)}]"])
    if not found:
        raise StepError(f"{name!r} is no group of columns; an input with `elements` makes one")
    return found


def without(gone: Sequence[int], columns: Sequence[str]) -> list[int]:
    """Return the places of all columns but these."""
    dropped = set(gone)
    return [place for place in range(len(columns)) if place not in dropped]


class Columnwise(Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step that does the same to each of `columns`, by default all, each on its own.

    What it makes takes the column's place, or with a `suffix` stands at the end under the longer name.
    """

    columns: list[str] = []
    suffix: str = ""

    def function(self, width: int, period: float) -> tuple[Rows, int]:
        """Return what turns float64[..., n, width] into float64[..., n - memory, width], and the memory."""
        raise NotImplementedError

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan as `Step` says."""
        chosen = places(self.columns, columns)
        change, memory = self.function(len(chosen), period)
        if self.suffix:
            made = {columns[place] + self.suffix: columns[place] for place in chosen}

            def added(rows: Floats) -> Floats:
                found = change(rows.take(chosen, axis=-1))
                return np.concatenate((rows[..., memory:, :], found), axis=-1)

            return Plan((*columns, *made), added, memory, made)
        if chosen == list(range(len(columns))):
            return Plan(tuple(columns), change, memory)

        def replaced(rows: Floats) -> Floats:
            found = rows[..., memory:, :].copy()
            found[..., chosen] = change(rows.take(chosen, axis=-1))
            return found

        return Plan(tuple(columns), replaced, memory)


def one_each(numbers: Sequence[float], width: int, key: str) -> Any:
    """Return one number for each column as an array, from one for all or one for each.

    Raises `StepError`.
    """
    if len(numbers) not in (1, width):
        raise StepError(f"{key}: {len(numbers)} numbers for {width} columns; give one, or one for each")
    return np.broadcast_to(np.array(numbers, np.float64), width)
