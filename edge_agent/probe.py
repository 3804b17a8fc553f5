"""What a Modbus address holds: units, their names, the ranges that they serve. Reads only, and slowly."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from edge_agent.core.explain import Explanation, explain
from edge_agent.core.registers import Table
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.carrier import ask
from edge_agent.drivers.modbus.identification import OBJECTS, identify, objects
from edge_agent.drivers.modbus.link import Link
from edge_agent.drivers.modbus.pdu import GATEWAY_SILENCE, BadReply, DeviceException, Request

TABLES: tuple[Table, ...] = ("holding", "input", "coil", "discrete")
STEP = 100
"""Registers that are tried in one request; what lies between refused ones is looked at by halves."""
LARGEST = {"holding": 125, "input": 125, "coil": 2000, "discrete": 2000}


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """A number that somebody sees: at `address` of the holding or input registers, within `tolerance`."""

    address: int
    value: float
    tolerance: float


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What explains an expected value, best first; none if nothing does."""

    table: str
    address: int
    value: float
    explanations: list[Explanation]


class TableFound(msgspec.Struct, frozen=True, kw_only=True):
    """`ranges` are first and last addresses that are served; `largest` is None if none was long enough."""

    table: str
    ranges: list[tuple[int, int]]
    largest: int | None


class UnitFound(msgspec.Struct, kw_only=True):
    """One unit that answers."""

    unit: int
    identification: dict[str, str] = msgspec.field(default_factory=dict)
    tables: list[TableFound] = msgspec.field(default_factory=list)
    expected: list[Explained] = msgspec.field(default_factory=list)


class Found(msgspec.Struct, kw_only=True):
    """What was found so far; `complete` once everything was asked."""

    units: list[UnitFound] = msgspec.field(default_factory=list)
    silent: list[int] = msgspec.field(default_factory=list)
    requests: int = 0
    complete: bool = False


class Prober:
    """Asks one thing after the other, at most `rate` requests a second; `timeout` in seconds."""

    def __init__(self, link: Link, rate: float, timeout: float) -> None:
        self._link, self._pause, self._timeout = link, 1 / rate, timeout
        self._joined = False
        self._next = 0.0
        self.unit = 0
        self.found = Found()

    def link_lost(self, _: LinkDown) -> None:
        """The next request connects again."""
        self._joined = False

    async def join(self) -> None:
        """Connect, if that is not so. Raises `LinkDown`."""
        if not self._joined:
            await self._link.join(self)
            self._joined = True

    async def ask(self, request: Request) -> bytes:
        """Return the data of an answer. Raises `DeviceException`, `LinkDown` if there is none."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._next - loop.time())
        self._next = loop.time() + self._pause
        await self.join()
        self.found.requests += 1
        try:
            return await ask(partial(self._link.send, self, request, self._timeout))
        except DeviceException as error:
            if error.code in GATEWAY_SILENCE:
                raise LinkDown(str(error)) from None
            raise

    async def serves(self, table: Table, start: int, count: int) -> bool:
        """Whether the unit gives these registers or bits in one answer. Silence counts as a refusal."""
        try:
            await self.ask(pdu.read(table, start, count))
        except (DeviceException, LinkDown):
            return False
        return True

    def close(self) -> None:
        """Leave the link."""
        self._link.leave(self)


def probe(
    link: Callable[[], Link],
    units: Sequence[int],
    addresses: range,
    expected: Sequence[Expected],
    *,
    rate: float,
    timeout: float,
    tell: Callable[[str], None],
) -> Found:
    """Look at units behind a link until all is known, or until SIGINT. Raises `LinkDown` if none connects."""

    async def main() -> Found:
        prober = Prober(link(), rate, timeout)
        me = asyncio.current_task()
        assert me is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, me.cancel)
        try:
            await prober.join()
            await _survey(prober, units, addresses, expected, tell)
            prober.found.complete = True
        except asyncio.CancelledError:
            tell("stopped; this is what was found until then")
        finally:
            prober.close()
        return prober.found

    return asyncio.run(main())


async def _survey(
    prober: Prober,
    units: Sequence[int],
    addresses: range,
    expected: Sequence[Expected],
    tell: Callable[[str], None],
) -> None:
    for unit in units:
        prober.unit = unit
        try:
            await prober.ask(pdu.read("holding", addresses.start, 1))
        except DeviceException:
            pass  # a no is an answer
        except LinkDown:
            prober.found.silent.append(unit)
            continue
        tell(f"unit {unit} answers")
        prober.found.units.append(UnitFound(unit=unit))
    for found in prober.found.units:
        prober.unit = found.unit
        tell(f"unit {found.unit}: looking closer")
        found.expected = [await _explained(prober, one) for one in expected]
        found.identification = await _identified(prober)
        for table in () if expected else TABLES:
            found.tables.append(await _table(prober, table, addresses))


async def _identified(prober: Prober) -> dict[str, str]:
    try:
        seen, _ = objects(await prober.ask(identify()))
    except (DeviceException, LinkDown, BadReply):
        return {}
    return {OBJECTS.get(n, f"object {n}"): text.decode("latin-1") for n, text in seen.items()}


async def _table(prober: Prober, table: Table, addresses: range) -> TableFound:
    served: list[tuple[int, int]] = []
    for start in range(addresses.start, addresses.stop, STEP):
        served += await _served(prober, table, start, min(start + STEP, addresses.stop) - 1)
    ranges = joined(served)
    longest = max(ranges, key=lambda r: r[1] - r[0], default=(0, -1))
    return TableFound(table=table, ranges=ranges, largest=await _largest(prober, table, longest))


async def _served(prober: Prober, table: Table, first: int, last: int) -> list[tuple[int, int]]:
    """Return what is served of `first` to `last`. Between two refused addresses nothing is looked for."""
    if await prober.serves(table, first, last - first + 1):
        return [(first, last)]
    if first == last:
        return []
    middle = (first + last) // 2
    if not any([await prober.serves(table, at, 1) for at in (first, middle, last)]):
        return []
    return [
        *await _served(prober, table, first, middle),
        *await _served(prober, table, middle + 1, last),
    ]


async def _largest(prober: Prober, table: Table, longest: tuple[int, int]) -> int | None:
    """Return the longest request that is answered, by halves; None if no range is that long."""
    first, last = longest
    low, high = 1, LARGEST[table]
    if last - first + 1 < high:
        return None
    while low < high:
        count = (low + high + 1) // 2
        low, high = (count, high) if await prober.serves(table, first, count) else (low, count - 1)
    return low


async def _explained(prober: Prober, one: Expected) -> Explained:
    best = Explained(table="holding", address=one.address, value=one.value, explanations=[])
    for table in TABLES[:2]:
        words = await _words(prober, table, one.address)
        found = explain(words, one.value, one.tolerance)
        if found and not best.explanations:
            best = Explained(table=table, address=one.address, value=one.value, explanations=found)
    return best


async def _words(prober: Prober, table: Table, address: int) -> list[int]:
    for count in (4, 2, 1):
        try:
            data = await prober.ask(pdu.read(table, address, count))
        except (DeviceException, LinkDown):
            continue
        return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    return []


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges with neighbours made one."""
    whole: list[tuple[int, int]] = []
    for first, last in ranges:
        if whole and whole[-1][1] + 1 == first:
            whole[-1] = (whole[-1][0], last)
        else:
            whole.append((first, last))
    return whole


def holes(found: TableFound) -> list[str]:
    """Return what lies between the ranges, as `forbidden` in a device table takes it."""
    edges = zip(found.ranges, found.ranges[1:], strict=False)
    return [f"{found.table} {before[1] + 1}-{after[0] - 1}" for before, after in edges]
