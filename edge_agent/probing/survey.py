"""The walk over units and their tables."""

import asyncio
import signal
from collections.abc import Callable, Sequence

from edge_agent.core.explain import explain
from edge_agent.core.registers import Table
from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.link import Link
from edge_agent.drivers.modbus.pdu import DeviceException
from edge_agent.probing.found import Expected, Explained, Found, TableFound, UnitFound
from edge_agent.probing.naming import name
from edge_agent.probing.prober import Prober
from edge_agent.probing.tables import look

REGISTERS: tuple[Table, ...] = ("holding", "input")
TABLES: tuple[Table, ...] = (*REGISTERS, "coil", "discrete")


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
        if not await name(prober, found) and found.wrong:
            continue  # whatever it is asked for, it talks nonsense
        for one in expected:
            found.expected.append(await _explained(prober, one))
        for table in () if expected else TABLES:
            found.tables.append(TableFound(table=table))
            await look(prober, found.tables[-1], addresses)


async def _units(prober: Prober, units: Sequence[int], address: int, tell: Callable[[str], None]) -> None:
    """Note who answers, be it wrongly. Raises `LinkDown` if the connection broke whoever was asked."""
    broke: list[LinkDown] = []
    for unit in units:
        prober.unit = unit
        wrong = ""
        try:
            await prober.ask(pdu.read("holding", address, 1))
        except DeviceException:
            pass  # a no is an answer
        except LinkDown as error:
            if error.reason is not Reason.BAD_REPLY:
                prober.found.silent.append(unit)
                broke += [error] if error.reason is Reason.NO_LINK else []
                continue
            wrong = str(error)
        tell(f"unit {unit} answers{f', but wrongly: {wrong}' if wrong else ''}")
        prober.found.units.append(UnitFound(unit=unit, wrong=wrong))
    if len(broke) == len(units):
        raise broke[0]


async def _explained(prober: Prober, one: Expected) -> Explained:
    """Look at both tables: the plainest explanation may be in the second."""
    held, refused = dict[str, list[int]](), dict[str, str]()
    for table in REGISTERS:
        prober.refused = {}
        held[table] = await _words(prober, table, one.address)
        if not held[table]:
            refused[table] = ", ".join(prober.refused)
    found = explain(held, one.value, one.tolerance)
    return Explained(address=one.address, value=one.value, held=held, refused=refused, explanations=found)


async def _words(prober: Prober, table: Table, address: int) -> list[int]:
    for count in (4, 2, 1):
        if words := await prober.cells(table, address, count):
            return words
    return []
