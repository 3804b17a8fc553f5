"""Which gateways a rollout comes to first: of those that can answer, always the same for the same rollout."""

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence

from edge_agent.fleet.documents import Reported

RECENT = 2 * 3600.0
"""Seconds since its last report after which a gateway is not counted on: it reports every hour."""


class BadStages(Exception):
    """Not a list of growing shares."""


def parse(text: str) -> list[float]:
    """Read shares such as ``5%,25%,100%``. Raises `BadStages`."""
    try:
        shares = [float(part.strip().removesuffix("%")) / 100 for part in text.split(",")]
    except ValueError:
        raise BadStages(f"{text!r}: write shares such as 5%,25%,100%") from None
    if not all(0 < share <= 1 for share in shares) or sorted(set(shares)) != shares:
        raise BadStages(f"{text!r}: shares must grow and be over 0 % and up to 100 %")
    return shares


def silent(reports: Iterable[Reported], now: float) -> set[str]:
    """Return who has not reported lately by its own clock; `now` is in seconds since 1970."""
    return {report.gateway for report in reports if abs(now - report.time) > RECENT}


def split(
    gateways: Sequence[str], shares: Sequence[float], salt: str, last: Collection[str] = ()
) -> list[list[str]]:
    """Divide gateways into stages, the first at least one gateway; what no share reaches is in none.

    The order is by a hash with `salt`, so that it is not always the same hall that goes first; but those of
    `last` come after all others, because nobody learns anything from a gateway that is away.
    """

    def place(name: str) -> tuple[bool, bytes]:
        return name in last, hashlib.sha256(f"{salt}/{name}".encode()).digest()

    order = sorted(gateways, key=place)
    ends = [min(len(order), max(1, math.ceil(share * len(order)))) for share in shares]
    return [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
