"""The poll budget: what is asked of a link, and how old a value can get. All times are seconds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_agent.core.readplan import Block

Size = tuple[int, int]
"""Bytes of a request's PDU, and of its answer's."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of `link` every `period`: `times` are how long each request and its answer take.

    `least` is what they take at the very least, whatever the device.
    """

    link: str
    period: float
    times: Sequence[float]
    least: float

    @property
    def bus(self) -> float:
        """Time on the link, of all its requests."""
        return sum(self.times)


@dataclass(frozen=True, slots=True)
class LinkBudget:
    """One link: `requests` a second, and the `share` of its time that they take, and take at `least`.

    `burst` is the time that a tick takes at which all is due.
    """

    link: str
    requests: float
    share: float
    least: float
    burst: float


def wasted(blocks: Iterable[Block]) -> int:
    """Return how many registers or bits no value needs that these blocks read."""
    return sum(block.count - _needed(block) for block in blocks)


def _needed(block: Block) -> int:
    """Count what values need, once where they overlap: spans rise."""
    needed, end = 0, block.start
    for span in block.spans:
        needed += max(0, span.stop - max(span.start, end))
        end = max(end, span.stop)
    return needed


def per_link(loads: Iterable[Load]) -> list[LinkBudget]:
    """Add the loads up, link by link in the order of their first."""
    links: dict[str, list[Load]] = {}
    for load in loads:
        links.setdefault(load.link, []).append(load)
    return [
        LinkBudget(
            link=link,
            requests=sum(len(load.times) / load.period for load in own),
            share=sum(load.bus / load.period for load in own),
            least=sum(load.least / load.period for load in own),
            burst=sum(load.bus for load in own),
        )
        for link, own in links.items()
    ]


def oldest(load: Load, link: LinkBudget, request: int = 0) -> float:
    """Return how old a value of this load can be in an image while every answer comes as planned.

    It is of the load's `request` by number. At worst nothing but those before it was ahead of that in one
    burst, and in the next burst everything. Infinite if the link cannot keep up.
    """
    if link.share > 1:
        return math.inf
    return load.period + link.burst - sum(load.times[:request])


def written_every(period: float, heartbeat: float) -> float:
    """Return the mean time between two writes of a result block, at least.

    One goes out with every result, and one whenever the PLC would miss a beat before the next.
    """
    return period / (1 + math.floor(period / heartbeat))
