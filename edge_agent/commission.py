"""Commissioning: one tag or one device at a time, with the very drivers that the agent runs."""

import asyncio
import math
from collections.abc import Sequence

import msgspec
import numpy as np

from edge_agent.build import driver_of
from edge_agent.config import Config
from edge_agent.config.fields import nearest
from edge_agent.config.modicon import both
from edge_agent.config.schema import Device, ScannedTag
from edge_agent.core.registers import Address
from edge_agent.core.shown import shown
from edge_agent.core.tags import Columns, Quality, Tag
from edge_agent.drivers import LinkDown
from edge_agent.links import Links


class CommissionError(Exception):
    """What could not be done, and what to do about it."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One tag's value, None if it is BAD, and what it stands for: a text, a time, a label, a large integer.

    `digits` is the value with the digits that its type holds, empty if it is BAD. `address` is in the
    driver's own notation, `modicon` empty where there is none. `said` is the device's own word for what is
    wrong, `time` when it got the value, `server_time` when whoever serves it had it, both ISO 8601 in UTC;
    empty where that is not said.
    """

    name: str
    value: float | None
    unit: str
    quality: str
    reason: str
    digits: str = ""
    meaning: int | str | None = None
    address: str = ""
    modicon: str = ""
    said: str = ""
    time: str = ""
    server_time: str = ""

    def text(self, *, times: bool = False) -> str:
        """One line for a person."""
        why = " ".join(filter(None, ["" if self.quality == "GOOD" else self.reason, self.said]))
        why = f"  {why}" if why else ""
        where = f"{self.address:<16} {self.modicon:<9}"
        when = f"  source {self.time or '-'}  server {self.server_time or '-'}" if times else ""
        return f"{self.name:<32} {self.shown:>12} {self.unit:<8} {where} {self.quality}{why}{when}"

    @property
    def shown(self) -> str:
        """The value for a person."""
        return (self.digits or "-") if self.meaning is None else str(self.meaning)


def select(config: Config, names: Sequence[str]) -> Config:
    """Return the configuration with these tags alone, without machines.

    A name is that of a tag, of an array, or of all that begin with it and a dot, as a device or a result.
    Without names it is all tags, but not what the agent writes. Raises `CommissionError`.
    """
    readable = {device.name: [*device.tags, *_written(config, device)] for device in config.devices}
    known = [scanned.tag.name for tags in readable.values() for scanned in tags]
    for name in names:
        if not any(_named(tag, name) for tag in known):
            raise CommissionError(f"there is no tag {name!r}; {alike(name, known)}")
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
    return tag == name or tag.startswith((f"{name}.", f"{name}["))


def alike(name: str, known: Sequence[str]) -> str:
    """Return a hint for a name that is none: one of the device that it begins with, if there is one."""
    own = [tag for tag in known if tag.startswith(f"{name.partition('.')[0]}.")]
    return nearest(name, own or known)


def _written(config: Config, device: Device) -> list[ScannedTag]:
    """Return what the agent writes in a device, to be read as often."""
    return [
        ScannedTag(tag=tag, scan=machine.bundle.manifest.period)
        for machine in config.machines
        for name, tag in machine.declared
        if name == device.name
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
    wire, modicon = placed(tag)
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
    wire, modicon = placed(tag)
    return Reading(
        name=tag.name,
        value=None if math.isnan(sample.value) else sample.value,
        digits="" if math.isnan(sample.value) else shown(tag, sample.value),
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


def placed(tag: Tag) -> tuple[str, str]:
    """Return a tag's address in its driver's notation, and in Modicon's, "" where there is none."""
    return both(tag.address) if isinstance(tag.address, Address) else (str(tag.address), "")
