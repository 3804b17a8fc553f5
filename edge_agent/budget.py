"""What a configuration's tags ask of the links: the poll budget that `check` prints."""

from collections.abc import Iterator
from itertools import groupby

import msgspec

from edge_agent.config import Config
from edge_agent.config.links import LinkTable, SerialTable
from edge_agent.config.schema import Device
from edge_agent.config.tables import ModbusTable
from edge_agent.core.budget import LinkBudget, Load, oldest, per_link
from edge_agent.core.readplan import NETWORK, Cost, Limits, ascii_cost, plan_blocks, rtu_cost, silence
from edge_agent.core.registers import Address
from edge_agent.links import limits_of
from edge_agent.table import STALE

TURNAROUND = 5e-3
"""Seconds that a device on a serial line is taken to need for an answer."""
CROWDED = 0.7
"""Share of a link's time beyond which one late answer moves all the others."""
_ONE_FRAME = Limits(max_gap=0)


class ClassLine(msgspec.Struct, frozen=True, kw_only=True):
    """One scan class. `age` is how old a good value can get, `bad_after` when it is called STALE; seconds."""

    device: str
    period: float
    tags: int
    requests: int
    wasted: int
    age: float
    bad_after: float

    def text(self) -> str:
        """One line for a person."""
        asks = f"{self.requests} request{'' if self.requests == 1 else 's'}, {self.wasted} registers wasted"
        ages = f"values up to {self.age:.3g} s old, BAD after {self.bad_after:g} s"
        return f"{self.device:<32} {self.tags} tags every {self.period:g} s: {asks}, {ages}"


class LinkLine(msgspec.Struct, frozen=True, kw_only=True):
    """One link: requests a second and the share of its time. `assumes` is what nobody has measured."""

    link: str
    requests: float
    share: float
    assumes: str

    def text(self) -> str:
        """One line for a person."""
        return (
            f"{'link ' + self.link:<32} {self.requests:.3g} requests/s, {100 * self.share:.3g} % of its time "
            f"if {self.assumes}"
        )


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """All scan classes and links of the Modbus devices."""

    classes: list[ClassLine]
    links: list[LinkLine]
    warnings: list[str]
    problems: list[str]
    """What cannot fit, whatever the devices."""

    def text(self) -> list[str]:
        """Lines for a person, none if there is no Modbus device."""
        classes, links = ([line.text() for line in lines] for lines in (self.classes, self.links))
        return ["poll budget:", *classes, *links] if classes else []


def budget(config: Config) -> Budget:
    """Plan every request of a configuration, as the agent will, and add them up."""
    scans = [load for device in config.devices for load in _scans(device)]
    writes = list(_writes(config))
    links = {link.link: link for link in per_link([*scans, *writes])}
    tables = {_name(d.table): d.table.link.table for d in config.devices if isinstance(d.table, ModbusTable)}
    least = per_link(_with_cost(load, _cost(tables[load.link], 0.0)) for load in (*scans, *writes))
    return Budget(
        classes=[_line(load, links[load.link]) for load in scans],
        links=[
            LinkLine(link=k, requests=b.requests, share=b.share, assumes=_assumes(tables[k]))
            for k, b in links.items()
        ],
        warnings=[
            f"link {k} is busy for {100 * b.share:.0f} % of its time: read less or less often, or split it"
            for k, b in links.items()
            if b.share > CROWDED
        ],
        problems=[_problem(b, tables[b.link]) for b in least if b.share > 1],
    )


def _scans(device: Device) -> Iterator[Load]:
    table = device.table
    if not isinstance(table, ModbusTable):
        return
    limits, cost = limits_of(table), _cost(table.link.table, TURNAROUND)
    by_period = sorted(device.tags, key=lambda scanned: scanned.scan)
    for period, group in groupby(by_period, key=lambda scanned: float(scanned.scan)):
        blocks = plan_blocks(_addresses([scanned.tag.address for scanned in group]), limits)
        yield Load(device.name, _name(table), period, blocks, cost)


def _writes(config: Config) -> Iterator[Load]:
    """Every result block is written and read back once a period of its bundle."""
    tables = {d.name: d.table for d in config.devices}
    for machine in config.machines:
        table = tables[machine.written.device] if machine.written else None
        if machine.written and isinstance(table, ModbusTable):
            blocks = plan_blocks(_addresses([tag.address for tag in machine.written.outputs]), _ONE_FRAME)
            period, cost = machine.bundle.manifest.period, _cost(table.link.table, TURNAROUND)
            yield Load(machine.written.device, _name(table), period, [*blocks, *blocks], cost)


def _addresses(addresses: list[object]) -> list[Address]:
    return [address for address in addresses if isinstance(address, Address)]


def _with_cost(load: Load, cost: Cost) -> Load:
    return Load(load.device, load.link, load.period, load.blocks, cost)


def _cost(link: LinkTable, turnaround: float) -> Cost:
    """Return the time on the link; without turnaround the least that physics lets a serial line take."""
    if not isinstance(link, SerialTable):
        return NETWORK if turnaround else Cost(0.0, 0.0)
    delay = link.delay or 0.0
    if link.transport == "ascii":
        cost = ascii_cost(link.baud, turnaround)
    else:
        cost, delay = rtu_cost(link.baud, turnaround), max(0.0, delay - silence(link.baud))
    return Cost(cost.request + delay, cost.register)


def _assumes(link: LinkTable) -> str:
    if isinstance(link, SerialTable):
        return f"devices answer within {1e3 * TURNAROUND:g} ms, at {link.baud} baud"
    return f"a request takes {1e3 * NETWORK.request:g} ms"


def _name(table: ModbusTable) -> str:
    return table.link.name or table.link.table.where


def _line(load: Load, link: LinkBudget) -> ClassLine:
    rows = {int(row) for block in load.blocks for row in block.rows}
    return ClassLine(
        device=load.device,
        period=load.period,
        tags=len(rows),
        requests=len(load.blocks),
        wasted=load.wasted,
        age=oldest(load, link),
        bad_after=STALE * load.period,
    )


def _problem(link: LinkBudget, table: LinkTable) -> str:
    assert isinstance(table, SerialTable), "a network is never full by arithmetic"
    return (
        f"link {link.link}: {link.requests:.3g} requests/s take {100 * link.share:.0f} % of the time at "
        f"{table.baud} baud, even if devices answer at once; scan slower, read less, or raise the baud rate"
    )
