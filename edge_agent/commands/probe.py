"""The command `edge-agent probe`."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edge_agent.commands.shared import JSON, fail
from edge_agent.core.explain import precision

if TYPE_CHECKING:
    from edge_agent.config.links import LinkTable
    from edge_agent.probing.found import Expected, Found, Gap, TableFound, UnitFound

_TRANSPORT = click.Choice(["tcp", "tls", "udp", "rtu-over-tcp", "rtu", "ascii"])
_SHOWN = 5
"""Explanations that are shown of one value."""


@click.command()
@click.argument("place")
@click.option("--port", type=click.IntRange(1, 65535), help="502 by default, 802 for tls.")
@click.option("--transport", type=_TRANSPORT, default="tcp", show_default=True)
@click.option(
    "--baud", type=click.IntRange(50, 4_000_000), default=19200, show_default=True, help="Of rtu, ascii."
)
@click.option("--parity", type=click.Choice(["none", "even", "odd"]), default="even", show_default=True)
@click.option("--stop-bits", type=click.IntRange(1, 2), default=1, show_default=True)
@click.option("--ca", default="", metavar="PEM", help="Of tls: whose servers are trusted.")
@click.option("--certificate", default="", metavar="PEM", help="Of tls: ours.")
@click.option("--key", default="", metavar="PEM", help="Of tls: ours, not locked.")
@click.option("--units", default="1-10,255", show_default=True, help="Unit ids to try; 1-247 for a gateway.")
@click.option("--addresses", default="0-999", show_default=True, help="Addresses to try in every table.")
@click.option("--rate", type=click.FloatRange(0.1, 1000), default=10, show_default=True, help="Requests/s.")
@click.option("--timeout", type=click.FloatRange(0.01, 60), default=1.0, show_default=True, help="Seconds.")
@click.option(
    "--expect", "seen", multiple=True, metavar="ADDRESS=VALUE", help="A value on the HMI: what type is it?"
)
@JSON
def probe(
    place: str,
    *,
    units: str,
    addresses: str,
    rate: float,
    timeout: float,
    seen: tuple[str, ...],
    as_json: bool,
    **how: Any,
) -> None:
    """Find out what answers over Modbus at PLACE. A host or a serial port: units, names, ranges.

    Only reads, and slowly. Ctrl-C ends it with what it has found.
    """
    from edge_agent.config import links as config  # noqa: PLC0415 - each command imports what it needs
    from edge_agent.drivers import LinkDown  # noqa: PLC0415
    from edge_agent.links import Links  # noqa: PLC0415
    from edge_agent.probing import survey  # noqa: PLC0415

    table = _link(place, timeout, **how)
    tried = list(_numbers("--units", units, 255))
    span = list(_numbers("--addresses", addresses, 65535))
    try:
        found = survey.probe(
            lambda: Links().of(config.Link(name="probe", table=table)),
            tried,
            range(min(span), max(span) + 1),
            [_expected(text) for text in seen],
            rate=rate,
            timeout=timeout,
            tell=lambda line: click.echo(line, err=True),
        )
    except LinkDown as error:
        fail(f"{table.where}: {error}")
    click.echo(msgspec.json.encode(found) if as_json else text(found))
    if not found.units or not all(e.explanations for u in found.units for e in u.expected):
        sys.exit(1)


def _link(place: str, timeout: float, **how: Any) -> "LinkTable":
    """Return the table of the link. Raises click.UsageError for an option that is missing."""
    from edge_agent.config import links as config  # noqa: PLC0415
    from edge_agent.config.fields import Seconds  # noqa: PLC0415

    transport: str = how["transport"]
    kind = config.TRANSPORTS[transport]
    keys: dict[str, Any] = {"transport": transport, "timeout": Seconds(timeout)}
    if kind is config.SerialTable:
        keys |= {"serial": place, **{key: how[key] for key in ("baud", "parity", "stop_bits")}}
    else:
        keys |= {"host": place, **({"port": how["port"]} if how["port"] else {})}
    if kind is config.TlsTable:
        for key in ("ca", "certificate", "key"):
            if not how[key]:
                raise click.UsageError(f"--transport tls needs --{key}: each side proves who it is")
            keys[key] = how[key]
    return kind(**keys)


def text(found: "Found") -> str:
    """Say all that was found."""
    lines = [line for unit in found.units for line in _unit(unit)]
    if found.silent:
        lines.append(f"no answer from {len(found.silent)} units: {', '.join(map(str, found.silent[:20]))}")
    end = "" if found.complete else "; stopped before all was asked"
    return "\n".join([*lines, f"{found.requests} requests, nothing written{end}"])


def _unit(unit: "UnitFound") -> Iterator[str]:
    named = ", ".join(f"{name} {value!r}" for name, value in unit.identification.items())
    yield f"unit {unit.unit}: {named or 'does not say what it is'}"
    for table in unit.tables:
        yield from _table(table)
    for one in unit.expected:
        yield f"  {one.value:g} at {one.address}:" + ("" if one.explanations else " nothing explains it")
        yield from (f"    {one.table} {one.address} {e.text()}" for e in one.explanations[:_SHOWN])
    if keys := list(unit.keys()):
        yield "  for its table in the configuration:"
        yield from (f"    {line}" for line in keys)


def _table(table: "TableFound") -> Iterator[str]:
    ranges = ", ".join(f"{first}-{last}" for first, last in table.ranges) or "nothing"
    yield f"  {table.table:<9} {ranges}" + (f"; at most {table.largest} at once" if table.largest else "")
    for gap in table.gaps:
        yield f"  {'':<9} {_gap(gap)}"


def _gap(gap: "Gap") -> str:
    if not gap.answered:
        return f"{gap.first}-{gap.last} refused, and so is a request over them"
    fill = ", ".join(map(str, gap.fill))
    return f"{gap.first}-{gap.last} refused alone; a longer request over them gets {fill}"


def _numbers(option: str, text: str, most: int) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (not last or last.isdecimal()) and int(last or first) <= most):
            raise click.BadParameter(
                f"{part!r} is not a number or a range such as 1-10, at most {most}", param_hint=option
            )
        yield from range(int(first), int(last or first) + 1)


def _expected(text: str) -> "Expected":
    from edge_agent.probing.found import Expected  # noqa: PLC0415

    address, _, value = text.partition("=")
    try:
        return Expected(address=int(address), value=float(value), tolerance=precision(value))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not such as 12=21.5", param_hint="--expect") from None
