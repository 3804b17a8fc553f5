"""Which SunSpec models a device has, and where: the base of the profiles `sunspec-N`.

SunSpec Device Information Model Specification: the map begins with "SunS" at one of three addresses of the
holding registers; then every model has its number, its length, and as many registers. Number 65535 ends it.
"""

import math

import msgspec

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


async def models(driver: Driver) -> list[Model]:
    """Walk the chain of a connected device. Raises LookupError for a chain that is none, `LinkDown`."""
    for start in STARTS:
        if await _words(driver, start, 2) == [_SUNS >> 16, _SUNS & 0xFFFF]:
            return await _chain(driver, start + 2)
    raise LookupError(f"no 'SunS' at holding {', '.join(map(str, STARTS))}: not a SunSpec device")


async def _chain(driver: Driver, base: int) -> list[Model]:
    found: list[Model] = []
    while base <= 65534 and len(found) < MOST_MODELS:
        head = await _words(driver, base, 2)
        if head is None and not await _ends(driver, base):
            raise LookupError(f"the chain of SunSpec models breaks at holding {base}")
        if head is None or head[0] == _END:
            return found
        number, length = head
        found.append(Model(number=number, base=base, length=length))
        base += 2 + length
    raise LookupError(f"the chain of SunSpec models has no end; {len(found)} models up to holding {base}")


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
