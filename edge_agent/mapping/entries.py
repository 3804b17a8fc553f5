"""The register map: everything that is read or written, one entry each."""

import math
from collections.abc import Iterator

import msgspec

from edge_agent.config import Config
from edge_agent.config.modicon import both
from edge_agent.config.schema import Machine
from edge_agent.core.gate import Expression
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One value between the PLC and the agent, as text; what its protocol does not have is empty.

    `address` is the zero-based wire address or the node, `modicon` the same in Modicon notation. `writer` is
    who alone may write it.
    """

    name: str
    writer: str
    device: str
    table: str
    address: str
    modicon: str
    type: str
    order: str
    scale: str
    offset: str
    unit: str
    low: str
    high: str
    purpose: str


def entries(config: Config) -> list[Entry]:
    """Return what is read, then every result block, then the declared outputs.

    Results and outputs are there whatever the mode: the PLC is prepared before the agent may write.
    """
    purposes = dict(_purposes(config))
    read = [
        _entry(scanned.tag, "PLC", device.name, purposes.get(scanned.tag.name, ""))
        for device in config.devices
        for scanned in device.tags
    ]
    return read + [entry for machine in config.machines for entry in written(machine)]


def written(machine: Machine) -> Iterator[Entry]:
    """Yield what the agent writes for a machine."""
    if machine.result is not None:
        for tag in machine.result.outputs:
            yield _entry(tag, "agent", machine.result.device, f"result of {machine.name}")
    for output in machine.outputs:
        yield _entry(output.tag, "agent", output.device, f"{machine.name}: follows {output.follows}")


def _purposes(config: Config) -> Iterator[tuple[str, str]]:
    for machine in config.machines:
        for column, tag in zip(machine.bundle.manifest.inputs, machine.inputs, strict=True):
            yield tag, f"{machine.name}: input {column.name}"
        for what, tag in signals(machine):
            yield tag, f"{machine.name}: {what}"
    if config.stop:
        yield config.stop, "stops all writing"


def signals(machine: Machine) -> list[tuple[str, str]]:
    """Return what the PLC tells the agent beside the model's inputs: what it is, and its tag."""
    told = [("acknowledges alarms", machine.alarm.acknowledge), ("resets alarms", machine.alarm.reset)]
    if machine.gate is not None:
        told += [("says whether it runs", tag) for tag in Expression(machine.gate.running).tags]
    if machine.permit is not None:
        told += [
            ("permissive", machine.permit.permissive),
            ("heartbeat of the PLC", machine.permit.heartbeat),
            ("identity", machine.permit.identity),
        ]
    return [(what, tag) for what, tag in told if tag]


def _entry(tag: Tag, writer: str, device: str, purpose: str) -> Entry:
    table, where, modicon, kind, order = "", str(tag.address), "", "", ""
    if isinstance(tag.address, Address):
        wire, modicon = both(tag.address)
        table, where = wire.split()
        length = f"[{tag.address.length}]" if tag.address.length else ""
        kind, order = f"{tag.address.type}{length}", tag.address.order or tag.address.letters
    return Entry(
        name=tag.name,
        writer=writer,
        device=device,
        table=table,
        address=where,
        modicon=modicon,
        type=kind,
        order=order,
        scale=f"{tag.scale:.12g}",
        offset=f"{tag.offset:.12g}",
        unit=tag.unit,
        low=f"{tag.low:.12g}" if math.isfinite(tag.low) else "",
        high=f"{tag.high:.12g}" if math.isfinite(tag.high) else "",
        purpose=purpose,
    )
