"""Results of one machine as inputs of another, of the same tick."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from edge_agent.core.pipeline import Verdict
from edge_agent.core.tags import Columns, Quality, Reason, Sample


class Judged(Protocol):
    """A machine whose results others use: `verdict` is of the tick `judged`, made of `inputs`."""

    verdict: Verdict
    judged: int

    @property
    def inputs(self) -> Columns:
        """What it took at that tick."""
        ...


class Source(msgspec.Struct, frozen=True):
    """Which input, by its place, is which output of which machine."""

    place: int
    machine: Judged
    output: str


def fill(inputs: Columns, sources: Sequence[Source], tick: int) -> None:
    """Write the results of a tick over the inputs that stand for them."""
    for source in sources:
        sample = _sample(source, tick)
        inputs.value[source.place], inputs.quality[source.place] = sample.value, sample.quality
        inputs.reason[source.place], inputs.at[source.place] = sample.reason, sample.at


def _sample(source: Source, tick: int) -> Sample:
    """Return the output's `value`: BAD with the reason if there is none, UNCERTAIN if the result is."""
    machine, verdict = source.machine, source.machine.verdict
    at = int(machine.inputs.at.min())
    reading = next((r for r in verdict.readings if r.output == source.output), None)
    reason = Reason.NONE
    if machine.judged != tick:
        reason = Reason.LATE
    elif not verdict.valid:
        reason = verdict.reason
    elif reading is None or reading.value != reading.value:
        reason = Reason.NO_VALUE
    if reason is not Reason.NONE or reading is None:
        return Sample(float("nan"), Quality.BAD, reason, at)
    if verdict.outside is not None:
        return Sample(reading.value, Quality.UNCERTAIN, Reason.OUT_OF_RANGE, at)
    return Sample(reading.value, Quality.GOOD, Reason.NONE, at)
