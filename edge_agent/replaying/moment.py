"""What replay plays: an image, when it was taken, and by whom."""

from dataclasses import dataclass

from edge_agent.core.tags import Columns, Reason


@dataclass(frozen=True, slots=True)
class Moment:
    """What a scan saw at one tick. `now` is monotonic, `wall` since 1970, both in ns.

    `machines` are those that took it together, () for all of the scan; `reason` is why their model gave no
    answer then.
    """

    tick: int
    now: int
    wall: int
    image: Columns
    machines: tuple[str, ...] = ()
    reason: Reason = Reason.NONE
