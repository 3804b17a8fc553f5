"""Commands for commissioning: tags are read, recorded and written by hand."""

import sys
from pathlib import Path

import click
import msgspec

from edge_agent.commands.shared import CONFIG, FILE_PATH, JSON, fail, loaded

_SECONDS = click.FloatRange(min=0.01)
_TAGS = click.argument("names", metavar="[TAG]...", nargs=-1)


@click.command()
@CONFIG
@_TAGS
@JSON
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, one line of JSON a time with --json.")
@click.option("--every", type=_SECONDS, default=1.0, show_default=True, help="Seconds, with --watch.")
@click.option("--times", is_flag=True, help="Also when the source and the server had each value (OPC UA).")
def read(
    config: Path, names: tuple[str, ...], every: float, *, as_json: bool, watch: bool, times: bool
) -> None:
    """Read tags and show value and quality. All, or those named; exit 1 if any is BAD."""
    from edge_agent import commission  # noqa: PLC0415 - each command imports what it needs

    try:
        if watch:
            from edge_agent.watch import watch as go_on  # noqa: PLC0415

            go_on(commission.select(loaded(config), names), every, as_json=as_json, times=times)
            return
        readings = commission.read(loaded(config), names)
    except commission.CommissionError as error:
        fail(str(error))
    if as_json:
        click.echo(msgspec.json.encode(readings))
    else:
        for reading in readings:
            click.echo(reading.text(times=times))
    if any(reading.quality == "BAD" for reading in readings):
        sys.exit(1)


@click.command()
@CONFIG
@_TAGS
@click.option("-o", "--out", type=FILE_PATH, required=True, help="The CSV file; must not exist yet.")
@click.option("--seconds", type=_SECONDS, help="For how long; until Ctrl-C if not given.")
@click.option("--times", is_flag=True, help="Also the columns TAG@source and TAG@server: when they had it.")
@click.option("--said", is_flag=True, help="Also the column TAG@said: the StatusCode, where not just Good.")
@JSON
def record(
    config: Path,
    names: tuple[str, ...],
    out: Path,
    seconds: float | None,
    *,
    times: bool,
    said: bool,
    as_json: bool,
) -> None:
    """Record tags to a CSV file for training. All, or those named, one row a tick of the shortest scan."""
    from edge_agent import commission  # noqa: PLC0415
    from edge_agent.record import record as write_rows  # noqa: PLC0415

    try:
        more = [*(["source", "server"] if times else []), *(["said"] if said else [])]
        recorded = write_rows(loaded(config), names, out, seconds, more)
    except FileExistsError:
        fail(f"{out}: exists already, and is left as it is; name another file")
    except OSError as error:
        fail(f"{out}: {error.strerror}")
    except commission.CommissionError as error:
        fail(str(error))
    click.echo(msgspec.json.encode(recorded) if as_json else recorded.text())


def _no_option(_: click.Context, __: click.Parameter, value: str) -> str:
    if value.startswith("-") and not value.lstrip("-.")[:1].isdigit():
        raise click.NoSuchOption(value)
    return value


@click.command(context_settings={"ignore_unknown_options": True})  # one may be a negative number
@CONFIG
@click.argument("name", metavar="TAG")
@click.argument("value", callback=_no_option)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also what is no declared output, or an output past its limits.")
@JSON
def write(config: Path, name: str, value: str, *, yes: bool, force: bool, as_json: bool) -> None:
    """Write one output once, and read it back. In engineering units, as a label, a text or an ISO time.

    Exit 1 if it is refused, or if something else is read back.
    """
    from edge_agent import write as writing  # noqa: PLC0415
    from edge_agent.commission import CommissionError  # noqa: PLC0415

    try:
        order = writing.order(loaded(config, as_json=as_json), name, value)
        writing.allow(order, force=force)
        if not yes:
            click.confirm(f"Write {order.describe()}?", abort=True, err=as_json)
        written = writing.write(order)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="VALUE") from None
    except CommissionError as error:
        fail(str(error))
    if as_json:
        click.echo(msgspec.json.encode(written))
    else:
        click.echo(written.text(), err=not written.verified)
    if not written.verified:
        sys.exit(1)
