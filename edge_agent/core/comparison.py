"""A candidate held against the active model of a machine, cycle by cycle; and what it has to show."""

import math
from collections.abc import Sequence

import msgspec

from edge_agent.core.manifest import Limits, Output
from edge_agent.core.pipeline import Verdict


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate needs before it may be promoted.

    `cycles` that both answered; at most the share `max_flips` of them on different sides of a limit; at most
    `max_alarms` that only one raised; at most the share `max_missed` that the active one alone answered.
    """

    cycles: int = 10_000
    max_flips: float = 0.001
    max_alarms: int = 0
    max_missed: float = 0.001


class Tally(msgspec.Struct, kw_only=True):
    """What was counted since the two ran beside each other; `active` and `candidate` are their SHA-256.

    `cycles` were answered by both, `missed` by the active model alone. `flips` are cycles in which a score
    was on the other side of its limit. Alarms are those that one raised and ended while the other had none.
    The differences are of the first output's score.
    """

    active: str
    candidate: str
    cycles: int = 0
    missed: int = 0
    flips: int = 0
    only_active: int = 0
    only_candidate: int = 0
    largest: float = 0.0
    summed: float = 0.0

    @property
    def mean(self) -> float:
        """Mean difference of the scores; NaN before the first cycle."""
        return self.summed / self.cycles if self.cycles else math.nan

    def text(self) -> str:
        """The same in a sentence."""
        return (
            f"{self.cycles} cycles, {self.flips} decisions differ, {self.only_active} alarms missed, "
            f"{self.only_candidate} of its own, {self.missed} without an answer, "
            f"scores differ by {self.mean:.3g} on average and {self.largest:.3g} at most"
        )


class Comparison:
    """Counts. `outputs` are the active bundle's, by which both are judged."""

    def __init__(self, outputs: Sequence[Output], tally: Tally) -> None:
        self._outputs = {output.name: output for output in outputs}
        self.tally = tally
        self._raised: set[str] = set()
        self._shared = False
        self._answered = False
        """Whether the candidate has answered since this start: until then its window fills."""

    def step(self, active: Verdict, candidate: Verdict) -> None:
        """Count one cycle that both were asked."""
        if not active.valid:
            return
        tally = self.tally
        if not candidate.valid:
            tally.missed += self._answered
            return
        self._answered = True
        tally.cycles += 1
        difference = abs(active.score - candidate.score)
        tally.largest, tally.summed = max(tally.largest, difference), tally.summed + difference
        tally.flips += self._flipped(active, candidate)
        self._count_alarms(active.alarm, candidate.alarm)

    def _flipped(self, active: Verdict, candidate: Verdict) -> bool:
        others = {reading.output: reading.score for reading in candidate.readings}
        return any(
            reading.output in others
            and _side(self._outputs[reading.output], reading.score)
            != _side(self._outputs[reading.output], others[reading.output])
            for reading in active.readings
            if not math.isnan(reading.score)
        )

    def _count_alarms(self, active: bool, candidate: bool) -> None:
        """An alarm is shared if both were raised at any moment before neither was any more."""
        if active or candidate:
            self._raised |= {active * "active", candidate * "candidate"} - {""}
            self._shared |= active and candidate
            return
        if not self._shared:
            self.tally.only_active += "active" in self._raised
            self.tally.only_candidate += "candidate" in self._raised
        self._raised, self._shared = set(), False


def shortfalls(tally: Tally, wanted: Promotion) -> list[str]:
    """Say what a candidate still lacks; nothing if it may be promoted."""
    found = []
    if tally.cycles < wanted.cycles:
        found.append(f"{tally.cycles} of {wanted.cycles} cycles")
    if tally.flips > wanted.max_flips * tally.cycles:
        found.append(f"{tally.flips} decisions differ, allowed are {wanted.max_flips:.3g} of {tally.cycles}")
    alarms = tally.only_active + tally.only_candidate
    if alarms > wanted.max_alarms:
        found.append(
            f"{tally.only_active} alarms that it missed and {tally.only_candidate} that only it raised, "
            f"allowed are {wanted.max_alarms}"
        )
    if tally.missed > wanted.max_missed * (tally.cycles + tally.missed):
        found.append(f"no answer in {tally.missed} cycles")
    return found


def _side(output: Output, score: float) -> bool:
    limits = output.limits or (Limits(on=0.5, off=0.5) if output.kind == "probability" else None)
    if limits is None:
        return False
    return score <= limits.on if limits.when == "below" else score >= limits.on
