"""``python -m edge_agent.plant``: serve the plant, write history, print the memory map."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from edge_agent.plant import registers
from edge_agent.plant.faults import DEFAULT_DEVELOPMENT, Fault, FaultKind
from edge_agent.plant.history import write_history
from edge_agent.plant.playback import BadRecording, Playback, load
from edge_agent.plant.plc import CYCLE, HEARTBEAT_TIMEOUT, Program
from edge_agent.plant.rig import Rig
from edge_agent.plant.server import Settings, serve
from edge_agent.plant.station import RigSource, Source, Station

KINDS = [kind.label for kind in FaultKind if kind is not FaultKind.NONE]


def parse_faults(_ctx: click.Context, _param: click.Parameter, texts: Sequence[str]) -> tuple[Fault, ...]:
    """Read ``KIND@SECONDS[/DEVELOPMENT]``; a sensor fault may name its signal: ``sensor_stuck:flow@30``."""
    return tuple(map(_fault, texts))


def _fault(text: str) -> Fault:
    kind, _, times = text.partition("@")
    kind, _, sensor = kind.partition(":")
    start, _, development = times.partition("/")
    if kind not in KINDS:
        raise click.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}")
    if sensor and sensor not in registers.SIGNALS:
        raise click.BadParameter(f"{sensor!r} is none of {', '.join(registers.SIGNALS)}")
    try:
        seconds = float(start), float(development or DEFAULT_DEVELOPMENT)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not KIND@SECONDS[/DEVELOPMENT]") from error
    return Fault(kind=FaultKind.named(kind), start=seconds[0], development=seconds[1], signal=sensor)


def parse_names(_ctx: click.Context, _param: click.Parameter, text: str) -> tuple[str, ...]:
    """Split names at commas."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def parse_kinds(ctx: click.Context, param: click.Parameter, text: str) -> list[FaultKind]:
    """Read the names of fault kinds; ``none`` alone or nothing means no faults."""
    names = [name for name in parse_names(ctx, param, text) if name != FaultKind.NONE.label]
    if unknown := [name for name in names if name not in KINDS]:
        raise click.BadParameter(f"{', '.join(unknown)}: none of {', '.join(KINDS)}")
    return [FaultKind.named(name) for name in names]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A simulated pump rig behind a PLC, for acceptance tests and demonstrations."""


@main.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--modbus-port", type=click.IntRange(0, 65535), default=15020, show_default=True)
@click.option("--serial", default="", metavar="PORT", help="Modbus RTU on a serial port as well, 115200 8N1.")
@click.option("--opcua-port", type=click.IntRange(0, 65535), default=24840, show_default=True)
@click.option("--no-opcua", is_flag=True, help="Modbus only; starts in a second.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--heartbeat-timeout", type=float, default=HEARTBEAT_TIMEOUT, show_default=True, help="Seconds."
)
@click.option("--fault", "faults", callback=parse_faults, multiple=True, metavar="KIND@SECONDS[/DEVELOPMENT]")
@click.option("--playback", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV to play.")
@click.option(
    "--columns", callback=parse_names, default="", help="Columns to play; default: all numeric ones."
)
@click.option(
    "--period", type=click.FloatRange(min=0.001), default=CYCLE, show_default=True, help="Seconds a row."
)
@click.option("--hold-first", type=float, default=0.0, help="Seconds before playback starts.")
@click.option("--step-register", is_flag=True, help="Advance playback by writes to register 902 only.")
def serve_command(  # noqa: PLR0917 - one parameter an option
    host: str,
    modbus_port: int,
    serial: str,
    opcua_port: int,
    no_opcua: bool,
    seed: int,
    heartbeat_timeout: float,
    faults: tuple[Fault, ...],
    playback: Path | None,
    columns: tuple[str, ...],
    period: float,
    hold_first: float,
    step_register: bool,
) -> None:
    """Serve the plant until SIGTERM. Prints one JSON line with the ports when it is ready."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # it warns that the simulator has no security
    source: Source
    if playback is None:
        source = RigSource(Rig(seed, faults=faults))
        cycle = CYCLE
    else:
        try:
            names, rows = load(playback, columns)
        except BadRecording as error:
            raise click.UsageError(str(error)) from error
        source = Playback(names, rows, period=period, hold_first=hold_first, stepped=step_register)
        cycle = min(CYCLE, period)  # no row is shorter than a cycle
    settings = Settings(
        host=host,
        modbus_port=modbus_port,
        serial=serial,
        opcua_port=None if no_opcua else opcua_port,
        cycle=cycle,
    )
    try:
        asyncio.run(serve(Station(source, Program(heartbeat_timeout)), settings, click.echo))
    except OSError as error:
        raise click.ClickException(str(error)) from error


@main.command("history")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=7200.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--dt", type=click.FloatRange(0.001, 1.0), default=CYCLE, show_default=True, help="Seconds a row."
)
@click.option("--faults", "kinds", callback=parse_kinds, default=",".join(KINDS), show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
def history_command(seconds: float, seed: int, dt: float, kinds: list[FaultKind], out: Path) -> None:
    """Write labelled history as CSV, much faster than it happens."""
    write_history(out, seconds=seconds, seed=seed, dt=dt, kinds=kinds)


@main.command("map")
def map_command() -> None:
    """Print the PLC's memory map as CSV."""
    click.echo(registers.as_csv(), nl=False)


if __name__ == "__main__":
    main()
