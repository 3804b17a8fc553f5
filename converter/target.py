"""Times as they will be on another box, by its profile: the line that `edge-agent doctor --bench` prints.

The same reference models were measured there and are measured here, one by each recipe. A candidate's own
share of a call is scaled by its recipe's ratio, the way to the child and back by the ratio of theirs. That is
an estimate: it knows the processor's kernels for convolutions and dense layers, not the cache that a large
model overflows. The one model that was measured there itself keeps its measured times.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from converter import gateway
from converter.auto import Candidate
from converter.errors import ConverterError
from edge_agent.doctor import reference
from edge_agent.doctor.profile import Profile, parse
from edge_agent.inference.timing import Latency

_MADE_OF = {"mixed": ("int8", "float32")}
"""Recipes without a reference model of their own: the slower of these speaks for them."""


@dataclass(frozen=True, slots=True)
class Target:
    """A box by its profile, and the times of the same reference models here."""

    profile: Profile
    here: Mapping[str, Latency]

    def text(self) -> str:
        """Say whose times these are."""
        return f"{self.profile.processor}, {self.profile.runtime}"

    def judge(self, candidates: list[Candidate], models: Mapping[str, bytes]) -> list[Candidate]:
        """Return the candidates with times of the target; those that its runtime refuses have a reason.

        `models` are the TFLite files by recipe.
        """
        return [self._judged(c, models.get(c.recipe, b"")) for c in candidates]

    def _judged(self, candidate: Candidate, model: bytes) -> Candidate:
        if candidate.measured is None or candidate.reason:
            return candidate
        own = hashlib.sha256(model).hexdigest() == self.profile.model
        kinds = _MADE_OF.get(candidate.recipe, (candidate.recipe,))
        refused = [self.profile.refused[kind] for kind in kinds if kind in self.profile.refused]
        if refused and not own:
            return msgspec.structs.replace(candidate, reason=f"the target cannot run it: {refused[0]}")
        there = self.profile.latency if own else self.estimate(candidate.measured.latency, kinds)
        measured = msgspec.structs.replace(candidate.measured, latency=there)
        return msgspec.structs.replace(candidate, measured=measured)

    def estimate(self, time: Latency, kinds: tuple[str, ...]) -> Latency:
        """Return what a time measured here would be there, for a model of one of these recipes."""
        pairs = [
            (self.profile.reference[k], self.here[k])
            for k in kinds
            if k in self.profile.reference and k in self.here
        ]
        if not pairs:
            raise ConverterError(f"the target profile has no times for {kinds[0]}; make it anew")
        there, here = max(pairs, key=lambda pair: pair[0].model / pair[1].model)
        way = max(0.0, time.p50 - time.model) * _way(there) / _way(here)
        model = time.model * there.model / here.model
        return Latency(p50=model + way, p99=(model + way) * there.p99 / there.p50, model=model)


def load(line: str) -> Target:
    """Read a profile and measure the reference models here. Raises `ConverterError`."""
    try:
        profile = parse(line)
    except ValueError as error:
        raise ConverterError(str(error)) from None
    here, refused = gateway.wait_for(reference.measure())
    if refused:
        raise ConverterError(f"the reference models do not run here: {next(iter(refused.values()))}")
    return Target(profile, here)


def _way(time: Latency) -> float:
    return max(time.p50 - time.model, 1.0)
