"""What was found, as lines for a person."""

from collections.abc import Iterator

from edge_agent.probing.found import Explained, Found, Gap, TableFound, UnitFound

SHOWN = 5
"""Explanations that are shown of one value."""
MOST_SILENT = 20
"""Silent units that are named."""


def text(found: Found) -> str:
    """Say all that was found."""
    lines = [line for unit in found.units for line in _unit(unit)]
    if found.silent:
        named = ", ".join(map(str, found.silent[:MOST_SILENT]))
        lines.append(f"no answer from {len(found.silent)} units: {named}")
    end = "" if found.complete else "; stopped before all was asked"
    return "\n".join([*lines, f"{found.requests} requests, nothing written{end}"])


def _unit(unit: UnitFound) -> Iterator[str]:
    named = ", ".join(f"{name} {value!r}" for name, value in unit.identification.items())
    why = f" ({unit.unnamed})" if unit.unnamed else ""
    yield f"unit {unit.unit}: {named or 'does not say what it is'}{why}"
    if unit.wrong:
        yield f"  answers wrongly: {unit.wrong}"
    for table in unit.tables:
        yield from _table(table)
    for one in unit.expected:
        yield from _expected(one)
    if keys := list(unit.keys()):
        yield "  for its table in the configuration:"
        yield from (f"    {line}" for line in keys)


def _table(table: TableFound) -> Iterator[str]:
    ranges = ", ".join(f"{first}-{last}" for first, last in table.ranges)
    tried = "-".join(map(str, table.tried)) if table.tried else "no address yet"
    largest = f"; at most {table.largest} at once" if table.largest else ""
    yield f"  {table.table:<9} {ranges or 'nothing'} of {tried}{largest}"
    for answer, times in table.refused.items():
        yield f"  {'':<9} else {answer}, {times} times" if times > 1 else f"  {'':<9} else {answer}, once"
    for gap in table.gaps:
        yield f"  {'':<9} {_gap(gap)}"


def _gap(gap: Gap) -> str:
    if not gap.answered:
        return f"{gap.first}-{gap.last} refused, and so is a request over them"
    fill = ", ".join(map(str, gap.fill))
    return f"{gap.first}-{gap.last} refused alone; a longer request over them gets {fill}"


def _expected(one: Explained) -> Iterator[str]:
    yield f"  {one.value:.10g} at {one.address}:" + ("" if one.explanations else " nothing explains it")
    yield from (f"    {e.table} {one.address} {e.text()}" for e in one.explanations[:SHOWN])
    if not one.explanations:
        for table, words in one.held.items():
            yield f"    {table} from {one.address} on: {one.refused.get(table) or ' '.join(map(str, words))}"
