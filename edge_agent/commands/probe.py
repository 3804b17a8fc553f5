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
    from edge_agent.probing.found import Expected

_TRANSPORT = click.Choice(["tcp", "tls", "udp", "rtu-over-tcp", "rtu", "ascii"])
_UNITS, _ON_LINE = "1-10,255", "1-10"
"""Units that are tried if nothing is said: 255 is how a device on a network speaks for itself."""


@click.command()
@click.argument("place")
@click.option("--port", type=click.IntRange(1, 65535), help="502 by default, 802 for tls.")
@click.option("--transport", type=_TRANSPORT, default="tcp", show_default=True)
@click.option(
    "--baud", type=click.IntRange(50, 4_000_000), default=19200, show_default=True, help="Of rtu, ascii."
)
@click.option("--parity", type=click.Choice(["none", "even", "odd"]), default="even", show_default=True)
@click.option("--stop-bits", type=click.IntRange(1, 2), help="1 by default, 2 without parity.")
@click.option("--data-bits", type=click.IntRange(7, 8), help="7 by default with ascii, 8 with rtu.")
@click.option("--ca", default="", metavar="PEM", help="Of tls: whose servers are trusted.")
@click.option("--certificate", default="", metavar="PEM", help="Of tls: ours.")
@click.option("--key", default="", metavar="PEM", help="Of tls: ours, not locked.")
@click.option("--units", help=f"To try; {_UNITS} by default, {_ON_LINE} on a line. 1-247 for a gateway.")
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
    units: str | None,
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
    from edge_agent.probing.telling import text  # noqa: PLC0415

    table = _link(place, timeout, **how)
    usual = _ON_LINE if table.transport in config.SERIAL else _UNITS
    tried = list(_numbers("--units", units or usual, 255))
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
    explained = all(e.explanations for unit in found.units for e in unit.expected)
    if not explained or all(unit.wrong for unit in found.units):
        sys.exit(1)


def _link(place: str, timeout: float, **how: Any) -> "LinkTable":
    """Return the table of the link. Raises click.UsageError for an option that is missing."""
    from edge_agent.config import links as config  # noqa: PLC0415
    from edge_agent.config.fields import Seconds  # noqa: PLC0415

    transport: str = how["transport"]
    kind = config.TRANSPORTS[transport]
    keys: dict[str, Any] = {"transport": transport, "timeout": Seconds(timeout)}
    if kind is config.SerialTable:
        if transport == "rtu" and how["data_bits"] == 7:
            raise click.UsageError("--data-bits 7 is for --transport ascii: RTU has 8")
        keys |= {"serial": place, **{k: how[k] for k in ("baud", "parity", "stop_bits", "data_bits")}}
    else:
        keys |= {"host": place, **({"port": how["port"]} if how["port"] else {})}
    if kind is config.TlsTable:
        for key in ("ca", "certificate", "key"):
            if not how[key]:
                raise click.UsageError(f"--transport tls needs --{key}: each side proves who it is")
            keys[key] = how[key]
    return kind(**keys)


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
