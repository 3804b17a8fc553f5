"""The walk over units and their tables."""

import asyncio
import signal
from collections.abc import Callable, Sequence

from edge_agent.core.explain import explain
from edge_agent.core.registers import Table
from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.identification import OBJECTS, identify, objects
from edge_agent.drivers.modbus.link import Link
from edge_agent.drivers.modbus.pdu import BadReply, DeviceException
from edge_agent.probing.found import Expected, Explained, Found, TableFound, UnitFound
from edge_agent.probing.prober import Prober
from edge_agent.probing.tables import look

TABLES: tuple[Table, ...] = ("holding", "input", "coil", "discrete")


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
    """Look at units behind a link until all is known, or until SIGINT.

    Raises `LinkDown` if no connection is made, or every one breaks before a unit has answered.
    """

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
    await _units(prober, units, addresses.start, tell)
    for found in prober.found.units:
        prober.unit = found.unit
        tell(f"unit {found.unit}: looking closer")
        for one in expected:
            found.expected.append(await _explained(prober, one))
        found.identification = await _identified(prober)
        for name in () if expected else TABLES:
            table = TableFound(table=name)
            found.tables.append(table)
            await look(prober, table, addresses)


async def _units(prober: Prober, units: Sequence[int], address: int, tell: Callable[[str], None]) -> None:
    """Note who answers. Raises `LinkDown` if the connection broke whoever was asked."""
    broke: list[LinkDown] = []
    for unit in units:
        prober.unit = unit
        try:
            await prober.ask(pdu.read("holding", address, 1))
        except DeviceException:
            pass  # a no is an answer
        except LinkDown as error:
            prober.found.silent.append(unit)
            if error.reason is Reason.NO_LINK:
                broke.append(error)
            continue
        tell(f"unit {unit} answers")
        prober.found.units.append(UnitFound(unit=unit))
    if len(broke) == len(units):
        raise broke[0]


async def _identified(prober: Prober) -> dict[str, str]:
    try:
        seen, _ = objects(await prober.ask(identify()))
    except (DeviceException, LinkDown, BadReply):
        return {}
    return {OBJECTS.get(n, f"object {n}"): text.decode("latin-1") for n, text in seen.items()}


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
        if words := await prober.cells(table, address, count):
            return words
    return []
