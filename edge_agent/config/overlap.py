"""Tags that stand on the same registers: allowed, but often a slip in a spreadsheet."""

from collections.abc import Iterator

from edge_agent.config.modicon import both
from edge_agent.config.schema import Device
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag

Placed = tuple[Address, Tag]


def warnings(device: Device) -> list[str]:
    """Return a sentence for every pair of neighbouring tags that share registers.

    Different bits of one register, and a register beside its bits, are as they should be.
    """
    placed = [(s.tag.address, s.tag) for s in device.tags if isinstance(s.tag.address, Address)]
    placed.sort(key=lambda p: (p[0].table, p[0].offset, p[0].count, p[1].name))
    return [
        f"tags {a.name} ({_where(first)}) and {b.name} ({_where(second)}) "
        + ("stand on the same registers" if _span(first) == _span(second) else "overlap")
        for (first, a), (second, b) in _neighbours(placed)
        if _collide(first, second)
    ]


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


def _where(address: Address) -> str:
    wire, _ = both(address)
    return f"{wire}, {address.type}"
