"""Commissioning: one tag or one device at a time, with the very drivers that the agent runs."""

import asyncio
import math
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np

from edge_agent.build import driver_of
from edge_agent.config import Config
from edge_agent.config.fields import nearest
from edge_agent.config.modicon import both
from edge_agent.config.schema import Device, ScannedTag
from edge_agent.core.registers import Address
from edge_agent.core.tags import Columns, Quality, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.links import Links

_NEARLY = Decimal("1e-12")
"""How far a raw value may be from a whole number, as a part of it, by the digits that a scale was cut to."""


class CommissionError(Exception):
    """What could not be done, and what to do about it."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One tag's value, None if it is BAD, and what it stands for: a text, a time, a label, a large integer.

    `address` is in the driver's own notation, `modicon` empty where there is none. `said` is the device's own
    word for what is wrong, `time` when it got the value, `server_time` when whoever serves it had it, both
    ISO 8601 in UTC; empty where that is not said.
    """

    name: str
    value: float | None
    unit: str
    quality: str
    reason: str
    meaning: int | str | None = None
    address: str = ""
    modicon: str = ""
    said: str = ""
    time: str = ""
    server_time: str = ""

    def text(self, *, times: bool = False) -> str:
        """One line for a person."""
        value = "-" if self.value is None else f"{self.value:.6g}" if self.meaning is None else self.meaning
        why = "" if self.quality == "GOOD" else f"  {self.reason} {self.said}".rstrip()
        where = f"{self.address:<16} {self.modicon:<9}"
        when = f"  source {self.time or '-'}  server {self.server_time or '-'}" if times else ""
        return f"{self.name:<32} {value:>12} {self.unit:<8} {where} {self.quality}{why}{when}"


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that may be written, and its device."""

    device: str
    tag: Tag

    def describe(self) -> str:
        """Say what would be written."""
        return f"{self.tag.name} ({' = '.join(filter(None, _where(self.tag)))})"


def select(config: Config, names: Sequence[str]) -> Config:
    """Return the configuration with these tags alone, without machines.

    A name is that of a tag, or of all that begin with it and a dot, as a device or a result. Without names it
    is all tags, but not what results are written to. Raises `CommissionError`.
    """
    readable = {device.name: [*device.tags, *_results(config, device)] for device in config.devices}
    known = [scanned.tag.name for tags in readable.values() for scanned in tags]
    for name in names:
        if not any(_named(tag, name) for tag in known):
            raise CommissionError(f"there is no tag {name!r}; {nearest(name, known)}")
    devices = config.devices
    if names:
        devices = [
            msgspec.structs.replace(
                device, tags=[s for s in readable[device.name] if any(_named(s.tag.name, n) for n in names)]
            )
            for device in devices
        ]
    chosen = [device for device in devices if device.tags]
    if not chosen:
        raise CommissionError("there are no tags to read; name them in a device")
    return msgspec.structs.replace(config, devices=chosen, machines=[])


def _named(tag: str, name: str) -> bool:
    return tag == name or tag.startswith(f"{name}.")


def _results(config: Config, device: Device) -> list[ScannedTag]:
    """Return where results go in a device, to be read as often as they are written."""
    return [
        ScannedTag(tag=tag, scan=machine.bundle.manifest.period)
        for machine in config.machines
        if machine.result and machine.result.device == device.name
        for tag in machine.result.outputs
    ]


def read(config: Config, names: Sequence[str]) -> list[Reading]:
    """Read tags once, by name, or all. Raises `CommissionError`."""
    chosen = select(config, names)

    async def all_devices() -> list[Reading]:
        links = Links()
        asked = [_read_device(device, [s.tag for s in device.tags], links) for device in chosen.devices]
        return [reading for readings in await asyncio.gather(*asked) for reading in readings]

    return asyncio.run(all_devices())


async def _read_device(device: Device, tags: list[Tag], links: Links) -> list[Reading]:
    driver = driver_of(device.table, links)
    plan = driver.plan_read(tags)
    try:
        await driver.connect()
        columns = await driver.read(plan)
    except LinkDown as error:
        return [_bad(tag, f"device {device.name}: {error}") for tag in tags]
    finally:
        await driver.close()
    return [reading(tag, columns, row) for row, tag in enumerate(tags)]


def _bad(tag: Tag, why: str) -> Reading:
    wire, modicon = _where(tag)
    return Reading(
        name=tag.name,
        value=None,
        unit=tag.unit,
        quality=Quality.BAD.name,
        reason=why,
        address=wire,
        modicon=modicon,
    )


def reading(tag: Tag, columns: Columns, row: int) -> Reading:
    """Return what a row of `columns` says of its tag."""
    sample = columns[row]
    wire, modicon = _where(tag)
    return Reading(
        name=tag.name,
        value=None if math.isnan(sample.value) else sample.value,
        unit=tag.unit,
        quality=sample.quality.name,
        reason=sample.reason.name,
        meaning=tag.meaning(sample),
        address=wire,
        modicon=modicon,
        said=sample.said,
        time=wall(sample.source),
        server_time=wall(sample.server),
    )


def wall(time: int) -> str:
    """Return ISO 8601 in UTC of ns since 1970, to the millisecond; "" of 0."""
    return str(np.datetime64(time, "ns"))[:23] + "Z" if time else ""


def _where(tag: Tag) -> tuple[str, str]:
    return both(tag.address) if isinstance(tag.address, Address) else (str(tag.address), "")


def output(config: Config, name: str, *, force: bool) -> Output:
    """Find what may be written: a declared output, or with `force` any tag. Raises `CommissionError`."""
    declared = {
        tag.name: Output(device=machine.result.device, tag=tag)
        for machine in config.machines
        if machine.result
        for tag in machine.result.outputs
    }
    if name in declared:
        return declared[name]
    tags = {s.tag.name: Output(device=d.name, tag=s.tag) for d in config.devices for s in d.tags}
    if name not in tags:
        raise CommissionError(f"there is no tag {name!r}; {nearest(name, [*declared, *tags])}")
    if not force:
        raise CommissionError(f"{name} is an input, not a declared output; --force writes it all the same")
    _may_be_written(tags[name].tag)
    return tags[name]


def _may_be_written(tag: Tag) -> None:
    address = tag.address
    if isinstance(address, Address) and address.table in ("input", "discrete"):
        raise CommissionError(f"{tag.name} is in table {address.table!r}, which no client can write")


def write(config: Config, target: Output, value: Decimal) -> str:
    """Write one value in engineering units and say what was read back. Raises `CommissionError`."""
    device = next(d for d in config.devices if d.name == target.device)
    if not target.tag.low <= float(value) <= target.tag.high:
        raise CommissionError(
            f"{value:g} is outside {target.tag.low:g}..{target.tag.high:g}; nothing written"
        )
    return asyncio.run(_write(device, target.tag, value))


async def _write(device: Device, tag: Tag, value: Decimal) -> str:
    driver = driver_of(device.table)
    try:
        read_plan, write_plan = driver.plan_read([tag]), driver.plan_write([tag])
        await driver.connect()
        await driver.write(write_plan, [_raw(tag, value)])
        back = (await driver.read(read_plan))[0]
    except (LinkDown, Refused, ValueError) as error:
        raise CommissionError(f"device {device.name}: {error}") from None
    finally:
        await driver.close()
    shown = f"{back.value:g}" if back.exact is None else back.exact
    return f"{tag.name}: wrote {value:g}, read back {shown} {tag.unit} ({back.quality.name})"


def _raw(tag: Tag, value: Decimal) -> float:
    """Return the raw value: an integer of any size exactly, and 3 for 1 at a scale of 0.3333333333333333."""
    if not value.is_finite():
        return float(value)
    raw = (value - Decimal(repr(tag.offset))) / Decimal(repr(tag.scale))
    whole = raw.to_integral_value()
    return int(whole) if abs(raw - whole) <= abs(whole) * _NEARLY else float(raw)
