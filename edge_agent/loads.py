"""What a configuration asks of its Modbus links: the very requests that the agent will send."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from edge_agent.config import Config
from edge_agent.config.links import LinkTable
from edge_agent.config.schema import Device
from edge_agent.config.tables import DeviceTable, ModbusTable
from edge_agent.core.budget import Load, written_every
from edge_agent.core.bustime import FASTEST
from edge_agent.core.readplan import Block, plan_blocks
from edge_agent.core.registers import Address
from edge_agent.core.resultblock import BEAT, EARLY
from edge_agent.core.tags import Tag
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.pdu import Request
from edge_agent.drivers.modbus.writing import exchanges, plan_write
from edge_agent.links import cost_of, habits_of, limits_of


@dataclass(frozen=True, slots=True)
class Scanned:
    """One scan class: its `tags` by name, in the order of the blocks' rows."""

    device: str
    tags: Sequence[str]
    blocks: Sequence[Block]
    load: Load


@dataclass(frozen=True, slots=True)
class Written:
    """Outputs that are written together: by how many requests, and by how many they are read back."""

    name: str
    writes: int
    reads: int
    load: Load


def link_name(table: ModbusTable) -> str:
    """Return what people call the link of a device."""
    return table.link.name or table.link.table.where


def scanned(device: Device) -> Iterator[Scanned]:
    """Yield the scan classes of a device, none if it does not speak Modbus."""
    table = device.table
    if not isinstance(table, ModbusTable):
        return
    by_period = sorted(device.tags, key=lambda entry: entry.scan)
    for period, group in groupby(by_period, key=lambda entry: float(entry.scan)):
        tags = [entry.tag for entry in group]
        blocks = _blocks(tags, table)
        load = _load(table, period, [pdu.read_block(block) for block in blocks])
        yield Scanned(device.name, [tag.name for tag in tags], blocks, load)


def written(config: Config) -> Iterator[Written]:
    """Yield result blocks, and declared outputs as if their value changed whenever it may be written."""
    tables = {device.name: device.table for device in config.devices}
    for machine in config.machines:
        period = machine.bundle.manifest.period
        if result := machine.written:
            often = written_every(period, max(EARLY * result.heartbeat, BEAT))
            name = f"{machine.name}.result"
            yield from _written(name, tables[result.device], result.outputs, often, certain=True)
        for output in machine.followed:
            rarely = max(period, float(output.rule.interval))
            yield from _written(output.tag.name, tables[output.device], [output.tag], rarely, certain=False)


def _written(
    name: str, table: DeviceTable, tags: Sequence[Tag], period: float, *, certain: bool
) -> Iterator[Written]:
    if isinstance(table, ModbusTable):
        habits = habits_of(table)
        writes = exchanges(plan_write(_addresses(tags), habits), habits)
        reads = [pdu.read_block(block) for block in _blocks(tags, table)]
        load = _load(table, period, [*writes, *reads], certain=certain)
        yield Written(name, len(writes), len(reads), load)


def _load(table: ModbusTable, period: float, requests: Sequence[Request], *, certain: bool = True) -> Load:
    """Return what requests take. The least is nothing for those that may never be sent."""
    link: LinkTable = table.link.table
    cost, least = cost_of(link), cost_of(link, turnaround=0.0, network=FASTEST)
    sizes = [(len(request.pdu), request.length or 0) for request in requests]
    return Load(
        link=link_name(table),
        period=period,
        times=[cost.of(*size) for size in sizes],
        least=sum(least.of(*size) for size in sizes) if certain else 0.0,
    )


def _blocks(tags: Sequence[Tag], table: ModbusTable) -> list[Block]:
    return plan_blocks(_addresses(tags), limits_of(table))


def _addresses(tags: Sequence[Tag]) -> list[Address]:
    return [tag.address for tag in tags if isinstance(tag.address, Address)]
