"""What the calendar and a machine's own hours say."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from edge_agent.core.steps.step import CLOCK, LONGEST, Floats, Plan, Step, StepError, place_of, without

_HOUR, _DAY, _WEEK = 3600.0, 86_400.0, 604_800.0
_FIRST_MONDAY = 345_600.0
"""Seconds from the beginning of 1970, a Thursday, to its first Monday."""


class Calendar(Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="calendar"):
    """Sine and cosine of the hour of the day and of the day of the week, which begins on Monday.

    The columns ``hour_sin``, ``hour_cos``, ``weekday_sin``, ``weekday_cos`` stand at the end. The wall time
    is UTC plus `utc_offset` hours, the whole year round.
    """

    clock = True

    parts: tuple[Literal["hour", "weekday"], ...] = ("hour", "weekday")
    utc_offset: float = 0.0

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan as `Step` says."""
        del period
        place = place_of(CLOCK, columns)
        kept = without([place], columns)
        if not self.parts or len(set(self.parts)) < len(self.parts):
            raise StepError("parts: hour, weekday or both, each once")
        cycles = [(_DAY, 0.0) if part == "hour" else (_WEEK, _FIRST_MONDAY) for part in self.parts]
        made = {f"{part}_{wave}": CLOCK for part in self.parts for wave in ("sin", "cos")}

        def run(rows: Floats) -> Floats:
            local = np.ascontiguousarray(rows[..., place]) + _HOUR * self.utc_offset
            waves = []
            for length, begin in cycles:
                angle = np.mod(local - begin, length) * (2 * np.pi / length)
                waves += [np.sin(angle), np.cos(angle)]
            return np.concatenate((rows.take(kept, axis=-1), np.stack(waves, axis=-1)), axis=-1)

        return Plan((*(columns[p] for p in kept), *made), run, origins=made)


class RunHours(Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="run_hours"):
    """Hours for which `column` has been above `above` without a break, `hours` at most.

    The column ``COLUMN_run_hours`` stands at the end. It needs as many rows before its first result as
    `hours` have; where the PLC counts its hours, read its counter.
    """

    column: str
    above: float
    hours: float

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan as `Step` says."""
        place = place_of(self.column, columns)
        wanted = self.hours * _HOUR / period
        if not 0.5 <= wanted <= LONGEST:
            raise StepError(f"hours {self.hours:g} are {wanted:.0f} rows; 1 to {LONGEST} are possible")
        most, name = round(wanted), f"{self.column}_run_hours"

        def run(rows: Floats) -> Floats:
            row = np.arange(rows.shape[-2])
            stopped = np.where(rows[..., place] > self.above, -1, row)
            running = np.minimum(row - np.maximum.accumulate(stopped, axis=-1), most)[..., most - 1 :]
            hours = (running * period / _HOUR)[..., np.newaxis]
            return np.concatenate((rows[..., most - 1 :, :], hours), axis=-1)

        return Plan((*columns, name), run, most - 1, {name: self.column})
