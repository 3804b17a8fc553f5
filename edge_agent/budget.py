"""What a configuration's tags ask of the links: the poll budget that `check` prints."""

import math
from collections.abc import Iterator

import msgspec

from edge_agent.config import Config
from edge_agent.config.links import LinkTable
from edge_agent.config.tables import ModbusTable
from edge_agent.core.budget import LinkBudget, oldest, per_link, wasted
from edge_agent.core.bustime import FASTEST, NETWORK, TURNAROUND
from edge_agent.links import pipelining
from edge_agent.loads import Scanned, Written, link_name, scanned, written
from edge_agent.table import STALE

CROWDED = 0.7
"""Share of a link's time beyond which one late answer moves all the others."""


class ClassLine(msgspec.Struct, frozen=True, kw_only=True):
    """One scan class.

    `age` is how old a good value can get, the oldest of `ages` by tag; infinite, in JSON null, if the link
    cannot keep up. `bad_after` is when a value is called STALE. Seconds.
    """

    device: str
    period: float
    tags: int
    requests: int
    wasted: int
    age: float
    bad_after: float
    ages: dict[str, float]

    def text(self) -> str:
        """One line for a person."""
        asks = f"{_requests(self.requests)}, {self.wasted} registers wasted"
        ages = f"{_age(self.age)}, BAD after {self.bad_after:g} s"
        return f"{self.device:<32} {self.tags} tags every {self.period:g} s: {asks}, {ages}"

    def by_tag(self) -> list[str]:
        """One line for every tag."""
        return [f"  {name:<30} {_age(age)}" for name, age in self.ages.items()]


class WriteLine(msgspec.Struct, frozen=True, kw_only=True):
    """What is written together, every `period` seconds or more rarely, and read back."""

    name: str
    period: float
    writes: int
    reads: int

    def text(self) -> str:
        """One line for a person."""
        how = f"{_requests(self.writes)} to write, {self.reads} to read back"
        return f"{self.name:<32} at most every {self.period:g} s: {how}"


class LinkLine(msgspec.Struct, frozen=True, kw_only=True):
    """One link: requests a second and the share of its time. `assumes` is what nobody has measured."""

    link: str
    requests: float
    share: float
    assumes: str

    def text(self) -> str:
        """One line for a person."""
        return (
            f"{'link ' + self.link:<32} {_rate(self.requests)}, {100 * self.share:.3g} % of its time "
            f"if {self.assumes}"
        )


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """All that is read and written over Modbus, and its links."""

    classes: list[ClassLine]
    writes: list[WriteLine]
    links: list[LinkLine]
    warnings: list[str]
    problems: list[str]
    """What cannot fit, whatever the devices."""

    def text(self, *, by_tag: bool = False) -> list[str]:
        """Lines for a person, none if there is no Modbus device."""
        lines = []
        for scan in self.classes:
            lines += [scan.text(), *(scan.by_tag() if by_tag else [])]
        lines += [line.text() for line in self.writes] + [line.text() for line in self.links]
        return ["poll budget:", *lines] if lines else []


def budget(config: Config) -> Budget:
    """Plan every request of a configuration, as the agent will, and add them up."""
    scans = [scan for device in config.devices for scan in scanned(device)]
    outputs = list(written(config))
    links = {link.link: link for link in per_link([s.load for s in scans] + [o.load for o in outputs])}
    tables = {
        link_name(d.table): d.table.link.table for d in config.devices if isinstance(d.table, ModbusTable)
    }
    classes = [_class(scan, links[scan.load.link]) for scan in scans]
    return Budget(
        classes=classes,
        writes=[_write(output) for output in outputs],
        links=[
            LinkLine(link=name, requests=link.requests, share=link.share, assumes=_assumes(tables[name]))
            for name, link in links.items()
        ],
        warnings=[*_full(links, tables), *_stale(classes)],
        problems=[_problem(link, tables[name]) for name, link in links.items() if link.least > 1],
    )


def _class(scan: Scanned, link: LinkBudget) -> ClassLine:
    first = {int(row): n for n, block in reversed(list(enumerate(scan.blocks))) for row in block.rows}
    ages = {name: oldest(scan.load, link, first[row]) for row, name in enumerate(scan.tags)}
    return ClassLine(
        device=scan.device,
        period=scan.load.period,
        tags=len(scan.tags),
        requests=len(scan.blocks),
        wasted=wasted(scan.blocks),
        age=max(ages.values()),
        bad_after=STALE * scan.load.period,
        ages=ages,
    )


def _write(output: Written) -> WriteLine:
    return WriteLine(name=output.name, period=output.load.period, writes=output.writes, reads=output.reads)


def _requests(number: int) -> str:
    return f"{number} request{'' if number == 1 else 's'}"


def _rate(number: float) -> str:
    return f"{number:.3g} requests/s" if number < 1000 else f"{number:.0f} requests/s"


def _age(age: float) -> str:
    return f"values up to {age:.3g} s old" if math.isfinite(age) else "values of no known age"


def _full(links: dict[str, LinkBudget], tables: dict[str, LinkTable]) -> Iterator[str]:
    for name, link in links.items():
        if link.share > 1:
            yield (
                f"link {name} cannot keep up if {_assumes(tables[name])}: {_rate(link.requests)} "
                f"need {100 * link.share:.0f} % of its time; read less or less often, or split it"
            )
        elif link.share > CROWDED:
            yield (
                f"link {name} is busy for {100 * link.share:.0f} % of its time: "
                "read less or less often, or split it"
            )


def _stale(classes: list[ClassLine]) -> Iterator[str]:
    for scan in classes:
        if scan.bad_after < scan.age < math.inf:
            yield (
                f"device {scan.device}, every {scan.period:g} s: values can get {scan.age:.3g} s old, but "
                f"are BAD after {scan.bad_after:g} s, even if every answer comes; read less on its link"
            )


def _assumes(link: LinkTable) -> str:
    delay = f" after {1e3 * link.delay:g} ms of silence" if link.delay else ""
    if link.line is not None:
        return f"devices answer within {1e3 * TURNAROUND:g} ms{delay}, at {link.line.baud} baud"
    at_once = f", {pipelining(link)} at once" if pipelining(link) > 1 else ""
    unknown = "; say baud to count its line" if link.transport == "rtu-over-tcp" else ""
    return f"a request takes {1e3 * NETWORK.request:g} ms{delay}{at_once}{unknown}"


def _problem(link: LinkBudget, table: LinkTable) -> str:
    needs = f"link {link.link}: {_rate(link.requests)} take {100 * link.least:.0f} % of the time"
    delay = f" after {1e3 * table.delay:g} ms of silence" if table.delay else ""
    if table.line is not None:
        how = f" at {table.line.baud} baud{delay}, even if devices answer at once"
        return f"{needs}{how}; scan slower, read less, or raise the baud rate"
    at_best = f", even if each takes no more than {1e3 * FASTEST.request:g} ms{delay}"
    return f"{needs}{at_best}; scan slower, read less, or split it"
