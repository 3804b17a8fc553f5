"""How fast this box answers a bundle, in the very child process that the agent uses."""

import asyncio
import hashlib
from typing import NamedTuple

import msgspec
import numpy as np

from edge_agent.bundle import Bundle
from edge_agent.core.packing import Packing
from edge_agent.core.preparation import Preparation
from edge_agent.doctor import reference
from edge_agent.doctor.processor import model_name
from edge_agent.doctor.profile import Profile
from edge_agent.inference.proof import proven
from edge_agent.inference.replay import openings
from edge_agent.inference.timing import Latency, latencies, resident


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. `difference` is the largest to the known answers, `rss` the child's, in bytes."""

    bundle: str
    recipe: str
    runtime: str
    latency: Latency
    rss: int
    difference: float
    profile: str

    def text(self) -> str:
        """The same for a person; the last line is for the converter."""
        time = self.latency
        return (
            f"{self.bundle}, {self.recipe}, on {self.runtime}\n"
            f"known answers proven, off by {self.difference:.2g}\n"
            f"a call: p50 {time.p50:.0f} us, p99 {time.p99:.0f} us, the model's share {time.model:.1f} us\n"
            f"memory of the child: {self.rss / 1e6:.0f} MB\n"
            f"{self.profile}"
        )


def bench(bundle: Bundle) -> Bench:
    """Measure a bundle, and the reference models for its profile. Raises `InferenceFailed`."""
    return asyncio.run(_bench(bundle))


class Measured(NamedTuple):
    """What a bundle does here; see `Bench`."""

    difference: float
    latency: Latency
    rss: int
    runtime: str


async def measured(bundle: Bundle) -> Measured:
    """Prove a bundle in a child and measure it. Raises `InferenceFailed`."""
    child, difference = await proven(bundle)
    try:
        known = bundle.known.inputs
        packed = Packing.of(bundle.manifest)(Preparation(bundle.manifest)(known).reshape(len(known), -1))
        rows = openings(child, np.ascontiguousarray(packed, np.float32))
        latency = (await latencies({0: child}, {0: rows}))[0]
        return Measured(difference, latency, resident(child.pid), child.runtime)
    finally:
        child.close()


async def _bench(bundle: Bundle) -> Bench:
    difference, latency, rss, runtime = await measured(bundle)
    times, refused = await reference.measure()
    profile = Profile(
        processor=model_name(),
        runtime=runtime,
        reference={recipe: _rounded(time) for recipe, time in times.items()},
        refused=refused,
        model=hashlib.sha256(bundle.model).hexdigest(),
        latency=_rounded(latency),
    )
    return Bench(
        bundle=f"{bundle.manifest.name} {bundle.manifest.version}",
        recipe=bundle.manifest.model.recipe,
        runtime=runtime,
        latency=latency,
        rss=rss,
        difference=difference,
        profile=profile.line(),
    )


def _rounded(time: Latency) -> Latency:
    return Latency(p50=round(time.p50, 1), p99=round(time.p99, 1), model=round(time.model, 2))
