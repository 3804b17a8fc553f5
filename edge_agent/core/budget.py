"""The poll budget: what a device's scan classes ask of the link they share, and how old a value can get.

All times are seconds. The bus time of a request is what `readplan.Cost` says: exact arithmetic on a serial
line but for the device's own turnaround, an assumption of a millisecond a request on a network.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_agent.core.readplan import Block, Cost
from edge_agent.core.registers import BIT_TABLES


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of `link` every `period`: a scan class, or a result that is written and read back."""

    device: str
    link: str
    period: float
    blocks: Sequence[Block]
    cost: Cost

    @property
    def bus(self) -> float:
        """Time on the link of one scan."""
        return sum(self.cost.request + self.cost.register * words(block) for block in self.blocks)

    @property
    def wasted(self) -> int:
        """Registers or bits of one scan that no tag needs."""
        return sum(block.count - sum(span.stop - span.start for span in block.spans) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class LinkBudget:
    """One link: `requests` a second, and the `share` of its time that they take.

    `burst` is the time that a tick takes at which all is due.
    """

    link: str
    requests: float
    share: float
    burst: float


def words(block: Block) -> float:
    """Return a block's data in registers."""
    return block.count / 16 if block.table in BIT_TABLES else block.count


def per_link(loads: Iterable[Load]) -> list[LinkBudget]:
    """Add the loads up, link by link in the order of their first."""
    links: dict[str, list[Load]] = {}
    for load in loads:
        links.setdefault(load.link, []).append(load)
    return [
        LinkBudget(
            link=link,
            requests=sum(len(load.blocks) / load.period for load in own),
            share=sum(load.bus / load.period for load in own),
            burst=sum(load.bus for load in own),
        )
        for link, own in links.items()
    ]


def oldest(load: Load, link: LinkBudget) -> float:
    """Return how old a value of this class can be in an image, while every answer comes as planned.

    At worst it was the first to be asked of one burst, and in the next one it is the last.
    """
    return load.period + link.burst
