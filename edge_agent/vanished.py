"""What another configuration no longer has: a file that was cut off may well be a whole configuration."""

from collections.abc import Iterator

from edge_agent.config import Config
from edge_agent.config.schema import Alarms, Device, Machine

NEWLINE = b"\n"


def vanished(before: Config, after: Config) -> list[str]:
    """Return the devices, machines and tables of machines that only `before` has, as the file names them.

    A file that ends inside a table of the one before has lost something in any case, if only numbers that
    were not the usual ones.
    """
    found = [*_gone("device", before.devices, after.devices), *_of_machines(before, after)]
    if found or not _ends_inside(before.text, after.text):
        return found
    return [f"what follows line {after.text.count(NEWLINE)}"]


def _ends_inside(before: bytes, after: bytes) -> bool:
    if not before.startswith(after):
        return False
    lines = [line.strip() for line in before[len(after) :].splitlines()]
    rest = [line for line in lines if line and not line.startswith(b"#")]
    return bool(rest) and not rest[0].startswith(b"[")


def _of_machines(before: Config, after: Config) -> Iterator[str]:
    yield from _gone("machine", before.machines, after.machines)
    known = {machine.name: machine for machine in before.machines}
    for machine in after.machines:
        if machine.name in known:
            left = _tables(machine)
            yield from (f"machine.{machine.name}.{t}" for t in _tables(known[machine.name]) if t not in left)


def _gone(
    section: str, before: list[Device] | list[Machine], after: list[Device] | list[Machine]
) -> list[str]:
    left = {one.name for one in after}
    return [f"{section}.{one.name}" for one in before if one.name not in left]


def _tables(machine: Machine) -> list[str]:
    there = {
        "result": machine.result is not None,
        "running": machine.gate is not None,
        "alarm": machine.alarm != Alarms(),
        "permit": machine.permit is not None,
    }
    outputs = [f"outputs ({output.tag.name})" for output in machine.outputs]
    return [name for name, found in there.items() if found] + outputs
