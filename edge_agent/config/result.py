"""Where results are written, and the proof that nothing else stands there."""

from collections.abc import Container, Iterable
from itertools import product

from edge_agent.config.fields import Place, build, nearest
from edge_agent.config.forbidden import ranges
from edge_agent.config.result_fields import chosen_fields
from edge_agent.config.schema import Device, Machine, Result
from edge_agent.config.tables import MachineTable, ModbusTable, ResultTable
from edge_agent.core.registers import Address
from edge_agent.core.resultblock import FIELDS, WORDS
from edge_agent.core.tags import Tag
from edge_agent.drivers.opcua.address import NodeAddress, below


def result_of(
    name: str, machine: MachineTable, devices: dict[str, Device], broken: Container[str], place: Place
) -> Result | None:
    """Return the machine's outputs, or None if it has none or they are wrong.

    `broken` are devices that were told wrong already.
    """
    if machine.result is None:
        if machine.mode != "shadow":
            place.wrong(f"mode {machine.mode} writes a result block: say where")
        return None
    table = build(ResultTable, machine.result, place)
    if table is None:
        return None
    device = devices.get(table.device)
    if device is None:
        if table.device not in broken:
            place.at("device").wrong(f"there is no device {table.device!r}; {nearest(table.device, devices)}")
        return None
    if table.fields:
        return chosen_fields(name, table, device, place)
    try:
        outputs = _registers(name, table) if isinstance(device.table, ModbusTable) else _nodes(name, table)
    except ValueError as error:
        place.wrong(str(error))
        return None
    return Result(device=device.name, outputs=outputs, heartbeat=table.heartbeat)


def _registers(machine: str, table: ResultTable) -> list[Tag]:
    if table.address is None or table.table is None or table.node is not None:
        raise ValueError('a result in a Modbus device needs table = "holding" and address, and no node')
    if not 0 <= table.address <= 65536 - WORDS:
        raise ValueError(
            f"address {table.address} is outside 0..{65536 - WORDS}: the block has {WORDS} registers"
        )
    return [
        Tag(
            name=f"{machine}.result.{name}",
            address=Address(table="holding", offset=table.address + word, type=kind),
        )
        for name, kind, word in FIELDS
    ]


def _nodes(machine: str, table: ResultTable) -> list[Tag]:
    if table.node is None or table.address is not None or table.table is not None:
        raise ValueError('a result in an OPC UA device needs node = "nsu=...;s=Result", no table, no address')
    return [
        Tag(name=f"{machine}.result.{name}", address=NodeAddress(below(table.node, name)))
        for name, _, _ in FIELDS
    ]


def overlaps(devices: dict[str, Device], machines: list[Machine], place: Place) -> None:
    """Keep an error for every output that some tag reads or another machine writes, or that has its name."""
    taken: dict[tuple[str, object], str] = {}
    for device in devices.values():
        taken |= dict.fromkeys(_owned(device, place), f"what the PLC owns in device {device.name}")
        for scanned in device.tags:
            for spot in _spots(device, [scanned.tag]):
                taken.setdefault(spot, f"tag {scanned.tag.name}")
    names = {scanned.tag.name for device in devices.values() for scanned in device.tags}
    for device, tags, what, where in _written(devices, machines, place):
        if twice := names & {tag.name for tag in tags}:
            where.wrong(f"{min(twice)} is the name of another tag; give it one of its own")
        names |= {tag.name for tag in tags}
        _allowed(device, tags, devices, where)
        _take(taken, _spots(device, tags), what, where)


def _written(
    devices: dict[str, Device], machines: list[Machine], place: Place
) -> Iterable[tuple[Device, list[Tag], str, Place]]:
    """Yield what is written together: its device, the tags, what it is called, and where that is said."""
    for machine in machines:
        where = place.at(machine.name)
        if result := machine.result:
            what = f"the result of machine {machine.name}"
            yield devices[result.device], result.outputs, what, where.at("result")
        for i, output in enumerate(machine.outputs):
            what = f"output {output.tag.name} of machine {machine.name}"
            yield devices[output.device], [output.tag], what, where.at(f"outputs[{i}]")


def _allowed(device: Device, tags: list[Tag], devices: dict[str, Device], place: Place) -> None:
    """Keep an error if one of the tags stands where the device, by whatever name, must not be asked."""
    for other in devices.values():
        if other.where != device.where or not isinstance(other.table, ModbusTable):
            continue
        # A range that is none was told where it stands.
        for tag, r in product(tags, ranges(other.table.forbidden, Place(place.file))):
            a = tag.address
            if isinstance(a, Address) and r.touches(a.table, a.offset, a.offset + a.count):
                place.wrong(f"{tag.name} is in forbidden {r.table} {r.first}-{r.last} of device {other.name}")
                return


def _take(
    taken: dict[tuple[str, object], str], spots: Iterable[tuple[str, object]], what: str, place: Place
) -> None:
    own: set[tuple[str, object]] = set()
    for spot in spots:
        who = taken.get(spot, "itself" if spot in own else "")
        if who:
            place.wrong(f"overlaps {who}; what the agent writes is its alone")
            break
        own.add(spot)
    taken.update(dict.fromkeys(own, what))


def _owned(device: Device, place: Place) -> Iterable[tuple[str, object]]:
    """Yield the places that the configuration says are the PLC's, whether or not they are read."""
    table = device.table
    if isinstance(table, ModbusTable):
        for r in ranges(table.owned, Place(place.file, f"device.{device.name}.owned", place.errors)):
            for register in range(r.first, r.last + 1):
                yield device.where, (r.table, register)


def _spots(device: Device, tags: Iterable[Tag]) -> Iterable[tuple[str, object]]:
    """Yield where tags stand, the same for two devices of the configuration that are one in the field."""
    where = device.where
    for tag in tags:
        if isinstance(tag.address, Address):
            for register in range(tag.address.count):
                yield where, (tag.address.table, tag.address.offset + register)
        elif isinstance(tag.address, NodeAddress):
            yield where, tag.address.node
