"""Which SunSpec models a device has, and where: the base of the profiles `sunspec-N`.

SunSpec Device Information Model Specification: the map begins with "SunS" at one of three addresses of the
holding registers; then every model has its number, its length, and as many registers. Number 65535 ends it.
"""

import math
from collections.abc import Sequence

import msgspec

from edge_agent.core.readplan import Range
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag
from edge_agent.drivers import Driver

STARTS = (40000, 50000, 0)
_SUNS = 0x53756E53
_END = 0xFFFF
MOST_MODELS = 200


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model: `base` is the register of its number, `length` how many follow its number and length."""

    number: int
    base: int
    length: int


async def models(driver: Driver, forbidden: Sequence[Range] = ()) -> list[Model]:
    """Walk the chain of a connected device; never ask for what is `forbidden`.

    Raises LookupError for a chain that is none or leads into what is forbidden, and `LinkDown`.
    """
    starts = [start for start in STARTS if _barring(forbidden, start) is None]
    for start in starts:
        if await _words(driver, start, 2) == [_SUNS >> 16, _SUNS & 0xFFFF]:
            return await _chain(driver, start + 2, forbidden)
    left = [str(start) for start in STARTS if start not in starts]
    raise LookupError(
        f"no 'SunS' at holding {', '.join(map(str, starts)) or 'any address'}: not a SunSpec device"
        + (f"; {', '.join(left)} not asked for, because forbidden" if left else "")
    )


async def _chain(driver: Driver, base: int, forbidden: Sequence[Range]) -> list[Model]:
    found: list[Model] = []
    while base <= 65534 and len(found) < MOST_MODELS:
        if r := _barring(forbidden, base):
            before = ", ".join(f"model {model.number} at {model.base}" for model in found)
            raise LookupError(
                f"the chain of SunSpec models goes on at holding {base}, in forbidden {r.table} "
                f"{r.first}-{r.last}; before it: {before or 'none'}"
            )
        head = await _words(driver, base, 2)
        if head is None and not await _ends(driver, base):
            raise LookupError(f"the chain of SunSpec models breaks at holding {base}")
        if head is None or head[0] == _END:
            return found
        number, length = head
        found.append(Model(number=number, base=base, length=length))
        base += 2 + length
    raise LookupError(f"the chain of SunSpec models has no end; {len(found)} models up to holding {base}")


def _barring(forbidden: Sequence[Range], base: int) -> Range | None:
    """Return the range that forbids to ask for the two registers with which a model begins."""
    return next((r for r in forbidden if r.touches("holding", base, base + 2)), None)


async def _ends(driver: Driver, base: int) -> bool:
    """Whether the end stands alone: its length may be missing."""
    return await _words(driver, base, 1) == [_END]


async def _words(driver: Driver, start: int, count: int) -> list[int] | None:
    """Read registers, None if the device refuses one of them."""
    tags = [
        Tag(name=f"holding {start + i}", address=Address(table="holding", offset=start + i, type="uint16"))
        for i in range(count)
    ]
    values = (await driver.read(driver.plan_read(tags))).value.tolist()
    return None if any(math.isnan(value) for value in values) else [int(value) for value in values]
