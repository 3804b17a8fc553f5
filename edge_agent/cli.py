"""The commands of `edge-agent`; each is a few lines that call the library."""

import logging
import sys
from functools import partial
from pathlib import Path

import click
import msgspec

from edge_agent import __version__
from edge_agent.commands.alarms import alarms
from edge_agent.commands.browse import browse
from edge_agent.commands.bundle import bundle
from edge_agent.commands.fleet import fleet
from edge_agent.commands.history import history
from edge_agent.commands.map import map_command
from edge_agent.commands.pki import pki
from edge_agent.commands.probe import probe
from edge_agent.commands.replay import replay
from edge_agent.commands.shared import CONFIG, FILE_PATH, FOLDER_PATH, JSON, fail, loaded, refuse
from edge_agent.commands.sunspec import sunspec
from edge_agent.commands.tags import read, record, write
from edge_agent.commands.writing import audit, resume_writing, stop_writing
from edge_agent.config import Config, load

STATE = "/var/lib/edge-agent"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Read PLCs, run a neural network beside the machine, write the result back."""


main.add_command(read)
main.add_command(record)
main.add_command(write)
main.add_command(bundle)
main.add_command(map_command)
main.add_command(pki)
main.add_command(fleet)
main.add_command(sunspec)
main.add_command(browse)
main.add_command(probe)
main.add_command(replay)
main.add_command(stop_writing)
main.add_command(resume_writing)
main.add_command(audit)
main.add_command(history)
main.add_command(alarms)


@main.command()
@CONFIG
@JSON
@click.option(
    "--office", type=FOLDER_PATH, help="With the links, devices and machines of config.toml in there."
)
@click.option("--tags", "by_tag", is_flag=True, help="Also how old the values of every tag can get.")
def check(config: Path, office: Path | None, *, by_tag: bool, as_json: bool) -> None:
    """Check CONFIG and all it names without connecting. Every error is told at once."""
    from edge_agent.report import summary  # noqa: PLC0415 - each command imports what it needs

    told = summary(loaded(config, as_json=as_json, check_units=True, office=office))
    if told.budget.problems:
        refuse([f"{config}: {problem}" for problem in told.budget.problems], as_json=as_json)
    click.echo(msgspec.json.encode(told) if as_json else told.text(by_tag=by_tag))


@main.command()
@CONFIG
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(config: Path, log_level: str) -> None:
    """Run the agent until SIGTERM; this is the service."""
    from edge_agent import app  # noqa: PLC0415

    logging.basicConfig(level=log_level.upper(), format="%(levelname)s %(message)s", stream=sys.stderr)
    checked = loaded(config, lenient=True)
    for line in ("not a safety function: the PLC stays in charge", *_modes(checked)):
        logging.getLogger(__name__).info(line)
    for line in checked.warnings:
        logging.getLogger(__name__).warning(line)
    try:
        app.run(checked, partial(load, config))
    except OSError as error:
        fail(f"{checked.state}: {error.strerror or error}")


@main.command()
@CONFIG
@JSON
@click.option("--watch", is_flag=True, help="Go on until q or Ctrl-C, one line of JSON a second with --json.")
def status(config: Path, *, as_json: bool, watch: bool) -> None:
    """Show what the running agent of CONFIG sees."""
    from edge_agent import screen  # noqa: PLC0415
    from edge_agent.status import NotRunning, ask, folder  # noqa: PLC0415

    if watch and not (as_json or sys.stdout.isatty()):
        raise click.UsageError("--watch draws on a terminal; a program asks with --json")
    try:
        state = folder(config)
        if as_json and watch:
            screen.stream(state)
        elif as_json:
            click.echo(msgspec.json.encode(ask(state)))
        else:
            screen.show(state, watch=watch)
    except NotRunning as error:
        fail(str(error))


@main.command()
@click.option("--config", type=FILE_PATH, help="Look at what this configuration asks of the box as well.")
@click.option("--state", type=FOLDER_PATH, help=f"The state folder; else the configuration's, or {STATE}.")
@click.option(
    "--bench", "path", type=FILE_PATH, metavar="BUNDLE", help="Measure how fast this box answers it."
)
@click.option(
    "--as-service", is_flag=True, help="As the installed service: its user, its sandbox. Only root can."
)
@JSON
def doctor(
    config: Path | None,
    state: Path | None,
    path: Path | None,
    *,
    as_service: bool,
    as_json: bool,
) -> None:
    """Say what this box is fit for. Disk, clocks, runtime, models; exit 1 if anything is BAD."""
    from edge_agent.doctor import Grade, examine, service  # noqa: PLC0415

    if as_service:
        given = {"--config": config, "--state": state, "--bench": path}
        words = [word for name, value in given.items() if value for word in (name, str(value.absolute()))]
        try:
            code, said = service.run([*words, "--json"] if as_json else words)
        except service.NoServiceError as error:
            fail(str(error))
        click.echo(said, nl=False)
        sys.exit(code)
    if path:
        _bench(path, as_json=as_json)
        return
    checked = loaded(config, as_json=as_json) if config else None
    findings = examine(state or Path(checked.state if checked else STATE), checked)
    if as_json:
        click.echo(msgspec.json.encode(findings))
    else:
        for finding in findings:
            click.echo(finding.text())
    if any(finding.grade is Grade.BAD for finding in findings):
        sys.exit(1)


@main.command()
@click.option("--seconds", type=click.IntRange(20, 3600), default=60, show_default=True)
@click.option("--folder", type=FOLDER_PATH, default="demo-run", show_default=True, help="For what it makes.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The model to run; one is in the package.",
)
def demo(seconds: int, folder: Path, bundle: Path | None) -> None:
    """Run the whole chain against a simulated plant. A bearing wears, the PLC is told."""
    from edge_agent.demo import play  # noqa: PLC0415

    sys.exit(play.main(seconds, folder, bundle))


def _bench(path: Path, *, as_json: bool) -> None:
    from edge_agent.bundle import BundleError, read  # noqa: PLC0415
    from edge_agent.doctor.bench import bench  # noqa: PLC0415
    from edge_agent.inference.process import InferenceFailed  # noqa: PLC0415

    try:
        found = bench(read(path))
    except BundleError as error:
        fail(str(error))
    except InferenceFailed as error:
        fail(f"{path}: {error}")
    click.echo(msgspec.json.encode(found) if as_json else found.text())


def _modes(config: Config) -> list[str]:
    return [
        f"machine {m.name}: mode {m.mode}, "
        + (f"writes to {m.written.device}" if m.written else "writes nothing")
        for m in config.machines
    ]


if __name__ == "__main__":
    main()
