"""Tags that stand on the same registers: allowed, but often a slip in a spreadsheet."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from edge_agent.config.modicon import both
from edge_agent.config.schema import Device
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag

Placed = tuple[Address, Tag, str]
"""Where a tag is, and its device's name."""


def warnings(devices: Iterable[Device]) -> list[str]:
    """Return a sentence for all pairs of tags in a device that share registers, and for all pairs of devices.

    Different bits of one register, and a register beside its bits, are as they should be.
    """
    there: dict[str, list[Placed]] = defaultdict(list)
    for device in devices:
        there[device.where] += [
            (s.tag.address, s.tag, device.name) for s in device.tags if isinstance(s.tag.address, Address)
        ]
    return [sentence for where, placed in there.items() for sentence in _warnings(where, placed)]


def _warnings(where: str, placed: list[Placed]) -> Iterator[str]:
    placed.sort(key=lambda p: (p[0].table, p[0].offset, p[0].count, p[1].name))
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for first, second in _neighbours(placed):
        if not _collide(first[0], second[0]):
            continue
        how = "stand on the same registers" if _span(first[0]) == _span(second[0]) else "overlap"
        told = f"tags {_told(first)} and {_told(second)} {how}"
        if first[2] == second[2]:
            yield told
        else:
            shared[min(first[2], second[2]), max(first[2], second[2])].append(told)
    host, _, unit = where.rpartition("/")
    for (one, other), collisions in shared.items():
        more = f", and {len(collisions) - 1} more" if len(collisions) > 1 else ""
        yield (
            f"devices {one} and {other} are both unit {unit} at {host}, and read the same: "
            f"{collisions[0]}{more}; leave them in one of the two"
        )


def _neighbours(placed: list[Placed]) -> Iterator[tuple[Placed, Placed]]:
    """Yield every tag with each before it that reaches into it."""
    open_: list[Placed] = []
    for entry in placed:
        address = entry[0]
        open_ = [o for o in open_ if o[0].table == address.table and _end(o[0]) > address.offset]
        yield from ((o, entry) for o in open_)
        open_.append(entry)


def _collide(a: Address, b: Address) -> bool:
    if a.is_partial != b.is_partial or (a.is_partial and a.count != b.count):
        return False
    first, second = _span(a), _span(b)
    return first[0] < second[1] and second[0] < first[1]


def _span(address: Address) -> tuple[int, int]:
    """Return the first bit it takes, counted from the table's start, and the bit after its last."""
    if address.letters == "HL":
        start = 16 * address.offset + 8 * (address.order == "H")
        return start, start + 8
    if address.bit is not None:
        start = 16 * address.offset + address.bit
        return start, start + address.width
    return 16 * address.offset, 16 * _end(address)


def _end(address: Address) -> int:
    return address.offset + address.count


def _told(placed: Placed) -> str:
    address, tag, _ = placed
    return f"{tag.name} ({both(address)[0]}, {address.type})"
