"""Which gateways a rollout comes to first. The same rollout always takes the same ones in the same order."""

import hashlib
import math
from collections.abc import Sequence


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


def split(gateways: Sequence[str], shares: Sequence[float], salt: str) -> list[list[str]]:
    """Divide gateways into stages, the first at least one gateway; what no share reaches is in none.

    The order is by a hash with `salt`, so that it is not always the same hall that goes first.
    """
    order = sorted(gateways, key=lambda name: hashlib.sha256(f"{salt}/{name}".encode()).digest())
    ends = [min(len(order), max(1, math.ceil(share * len(order)))) for share in shares]
    return [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
