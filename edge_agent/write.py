"""`write`: one value to one tag, as a person types it, and what the device has there afterwards."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import msgspec

from edge_agent.build import driver_of
from edge_agent.commission import CommissionError, Reading, alike, placed, reading
from edge_agent.config import Config
from edge_agent.config.schema import Device
from edge_agent.core.decoder import LARGEST_FACTOR
from edge_agent.core.registers import Address
from edge_agent.core.sent import Sent, bare_of
from edge_agent.core.tags import Columns, Quality, Tag
from edge_agent.core.typed import Value, typed
from edge_agent.drivers import Driver, LinkDown, Refused
from edge_agent.drivers.opcua.address import NodeAddress


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A value for a tag, and the text that was typed for it. `declared` if the agent itself may write it."""

    device: Device
    tag: Tag
    declared: bool
    text: str
    value: Value

    def describe(self) -> str:
        """Say what would be written."""
        number = "" if self.text == str(self.value) else f" ({self.value})"
        where = " = ".join(filter(None, placed(self.tag)))
        return f"{self.text}{number} {self.tag.unit}".rstrip() + f" to {self.tag.name} ({where})"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: `raw` was sent, `back` is what the device has now, `verified` if it is the same."""

    name: str
    address: str
    modicon: str
    unit: str
    wrote: str
    raw: float | str
    back: Reading
    verified: bool

    def text(self) -> str:
        """One line for a person."""
        back = f"{self.back.shown} {self.unit}".rstrip()
        return f"{self.name}: wrote {self.wrote}, read back {back} ({self.back.quality})" + (
            "" if self.verified else ": the device ignores or changes it, or something else writes there"
        )


def order(config: Config, name: str, text: str) -> Order:
    """Find a tag and what a text is for it. Raises `CommissionError` for the tag, ValueError for the text."""
    devices = {device.name: device for device in config.devices}
    declared = {
        tag.name: (devices[device], tag) for machine in config.machines for device, tag in machine.declared
    }
    tags = {scanned.tag.name: (device, scanned.tag) for device in config.devices for scanned in device.tags}
    found = declared.get(name) or tags.get(name)
    if found is None:
        known = [*declared, *tags]
        if f"{name}[0]" in known:
            raise CommissionError(f"{name} is an array; write one element, such as {name}[0]")
        raise CommissionError(f"there is no tag {name!r}; {alike(name, known)}")
    device, tag = found
    return Order(device=device, tag=tag, declared=name in declared, text=text, value=typed(tag, text))


def allow(order: Order, *, force: bool) -> None:
    """Let pass what is declared and inside its limits, with `force` one of both. Raises `CommissionError`."""
    tag, value = order.tag, order.value
    inside = isinstance(value, str) or tag.low <= float(value) <= tag.high
    if not (order.declared or force):
        raise CommissionError(f"{tag.name} is no declared output; --force writes it all the same")
    if not (inside or (order.declared and force)):
        way = "--force writes it all the same" if order.declared else "--force does not go past that as well"
        limits = f"{tag.low:.15g}..{tag.high:.15g}"
        raise CommissionError(f"{order.text} is outside {limits}; nothing written; {way}")
    if isinstance(tag.address, Address) and tag.address.table in ("input", "discrete"):
        raise CommissionError(f"{tag.name} is in table {tag.address.table!r}, which no client can write")


def write(order: Order) -> Written:
    """Write, and read back. Raises `CommissionError`, which says whether anything may have been written."""
    try:
        return asyncio.run(_write(order))
    except (LinkDown, Refused, ValueError) as error:
        raise CommissionError(f"device {order.device.name}: {error}") from None


async def _write(order: Order) -> Written:
    tag, driver = _asked_for(order.tag), driver_of(order.device.table)
    bare = bare_of(tag)
    read_plan, write_plan = driver.plan_read([tag, bare]), driver.plan_write([bare])
    factor = tag.address.factor if isinstance(tag.address, Address) else None
    try:
        await driver.connect()
        sent = Sent(tag, order.value, await _power(driver, tag.name, factor) if factor else 0)
        await _send(driver, write_plan, sent.raw)
        back = await _read_back(driver, read_plan)
    finally:
        await driver.close()
    address, modicon = placed(tag)
    return Written(
        name=tag.name,
        address=address,
        modicon=modicon,
        unit=tag.unit,
        wrote=order.text,
        raw=sent.raw,
        back=reading(tag, back, 0),
        verified=sent.is_there(back[1]),
    )


def _asked_for(tag: Tag) -> Tag:
    """Return the tag as one that is asked for: a subscription may still tell what was there before."""
    if isinstance(tag.address, NodeAddress):
        return msgspec.structs.replace(tag, address=replace(tag.address, monitored=None))
    return tag


async def _send(driver: Driver, plan: Any, raw: float | str) -> None:
    try:
        await driver.write(plan, [cast("float", raw)])  # whether it may be a text is the codec's affair
    except LinkDown as error:
        raise LinkDown(f"{error}; whether it was written is not known: read it") from None


async def _read_back(driver: Driver, plan: Any) -> Columns:
    try:
        return await driver.read(plan)
    except LinkDown as error:
        raise LinkDown(f"it was written, and could not be read back: {error}") from None


async def _power(driver: Driver, name: str, factor: Address) -> int:
    """Read the power of ten that scales a tag. Raises ValueError if it is none, `LinkDown`."""
    plan = driver.plan_read([Tag(name=f"the scale factor of {name}", address=factor)])
    sample = (await driver.read(plan))[0]
    if not abs(sample.value) <= LARGEST_FACTOR:
        what = sample.reason.name if sample.quality is Quality.BAD else f"{sample.value:g}"
        where = f"{factor.table} {factor.offset}"
        raise ValueError(f"the scale factor of {name} ({where}) is {what}; nothing written")
    return int(sample.value)
