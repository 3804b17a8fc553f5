"""The commands of `edge-agent bundle`: look at a bundle, install it, and say which version runs."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from edge_agent.bundle import BundleError, read
from edge_agent.commands.shared import BAD_CONFIGURATION, FILE_PATH, FOLDER_PATH, JSON, fail, who
from edge_agent.config import ConfigError, load
from edge_agent.config.fields import Place, build
from edge_agent.config.tables import AgentTable

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: it took too long, which may be different in a minute."""

_CONFIG = click.option("--config", type=FILE_PATH, help="The configuration: state folder, keys, tags, gates.")
_STATE = click.option("--state", type=FOLDER_PATH, help="The state folder, if there is no configuration yet.")
_TRUST = click.option("--trust", type=FOLDER_PATH, help="Folder of trusted keys, with --state.")
_UNSIGNED = click.option("--unsigned", is_flag=True, help="Take it although nobody's key vouches for it.")
_WHICH = click.argument("which", metavar="NAME@SEQUENCE")


@click.group()
def bundle() -> None:
    """Bundles: what is in one, which are there, which runs."""


@bundle.command()
@click.argument("file", type=FILE_PATH)
@JSON
def inspect(file: Path, *, as_json: bool) -> None:
    """Show what FILE promises. Runs nothing."""
    from edge_agent.bundles.showing import text  # noqa: PLC0415 - each command imports what it needs

    with _failing():
        found = read(file)
    click.echo(msgspec.json.encode(found.manifest) if as_json else text(found))


@bundle.command()
@click.argument("file", type=FILE_PATH)
@_CONFIG
@_TRUST
@_UNSIGNED
def verify(file: Path, config: Path | None, trust: Path | None, *, unsigned: bool) -> None:
    """Check FILE whole: hashes, schema, operators, signature. Runs nothing."""
    from edge_agent import bundle as files  # noqa: PLC0415
    from edge_agent.bundles.installing import examine  # noqa: PLC0415

    agent = _agent(config) if config else AgentTable()
    with _failing():
        keys = trust or (config.parent / agent.trust if config and agent.trust else None)
        found, signer = examine(files.load(file), file, keys, unsigned=unsigned or agent.unsigned)
    click.echo(f"{file}: whole, signed by {signer or 'nobody'}, SHA-256 {found.sha256}")


@bundle.command()
@click.argument("file", type=FILE_PATH)
@_CONFIG
@_STATE
@_TRUST
@_UNSIGNED
@click.option("--downgrade", is_flag=True, help="Take an older sequence than one that was here before.")
@click.option("--activate", "at_once", is_flag=True, help="Make it the active version, too.")
@JSON
def install(
    file: Path,
    config: Path | None,
    state: Path | None,
    trust: Path | None,
    *,
    unsigned: bool,
    downgrade: bool,
    at_once: bool,
    as_json: bool,
) -> None:
    """Check FILE, try it in a throw-away child, and keep it. What runs goes on undisturbed."""
    from edge_agent.bundles import changing, installing  # noqa: PLC0415

    agent, folder = (_agent(config) if config else AgentTable()), _state(config, state)

    def fits(name: str) -> None:
        if config:
            load(config, instead={name: file}, lenient=True)

    with _failing():
        installed = installing.install(
            file,
            folder,
            who(),
            trust=trust or (config.parent / agent.trust if config and agent.trust else None),
            unsigned=unsigned or agent.unsigned,
            downgrade=downgrade,
            fits=fits,
        )
        click.echo(msgspec.json.encode(installed) if as_json else installed.text())
        if at_once:
            _say(changing.activate(folder, installed.name, installed.sequence, who()), as_json=as_json)


@bundle.command()
@_WHICH
@_CONFIG
@_STATE
def activate(which: str, config: Path | None, state: Path | None) -> None:
    """Make an installed version the active one. A running agent takes it over between two cycles."""
    from edge_agent.bundles import changing  # noqa: PLC0415

    with _failing():
        click.echo(changing.activate(_state(config, state), *_parts(which), who()))


@bundle.command()
@click.argument("name")
@_CONFIG
@_STATE
def rollback(name: str, config: Path | None, state: Path | None) -> None:
    """Go back to the version of NAME that was active before."""
    from edge_agent.bundles import changing  # noqa: PLC0415

    with _failing():
        click.echo(changing.roll_back(_state(config, state), name, who()))


@bundle.command()
@click.argument("which", metavar="NAME[@SEQUENCE]")
@_CONFIG
@_STATE
def candidate(which: str, config: Path | None, state: Path | None) -> None:
    """Run an installed version beside the active one. It writes nothing; NAME alone ends that."""
    from edge_agent.bundles import changing  # noqa: PLC0415

    name, sequence = _parts(which) if "@" in which else (which, None)
    with _failing():
        click.echo(changing.nominate(_state(config, state), name, sequence, who()))


@bundle.command()
@click.argument("name")
@click.option(
    "--config", type=FILE_PATH, required=True, help="The configuration, which says what it must show."
)
@click.option("--force", is_flag=True, help="Although it has not shown that; the journal keeps it.")
def promote(name: str, config: Path, *, force: bool) -> None:
    """Make NAME's candidate the active version. Once it has shown what every machine wants."""
    from edge_agent.bundles import changing  # noqa: PLC0415

    with _failing():
        checked = load(config, lenient=True)
        machines = {m.name: m.promotion for m in checked.machines if m.stored == name}
        click.echo(changing.promote(Path(checked.state), name, machines, who(), force=force))


@bundle.command("list")
@_CONFIG
@_STATE
@JSON
def list_(config: Path | None, state: Path | None, *, as_json: bool) -> None:
    """List installed versions, and the last changes of each name."""
    from edge_agent.bundles import showing  # noqa: PLC0415

    with _failing():
        stores = showing.stores(_state(config, state))
    if as_json:
        click.echo(msgspec.json.encode(stores))
    else:
        click.echo("\n".join(store.text() for store in stores) or "nothing is installed")


def _agent(config: Path) -> AgentTable:
    """Return `[agent]` of a configuration, whatever else is wrong in it."""
    try:
        section = tomllib.loads(config.read_text(encoding="utf-8")).get("agent", {})
    except OSError as error:
        fail(f"{config}: {error.strerror}")
    except ValueError as error:
        fail(f"{config}: not TOML: {error}", BAD_CONFIGURATION)
    place = Place(config, "agent")
    agent = build(AgentTable, section, place)
    if agent is None or place.errors:
        fail("\n".join(place.errors), BAD_CONFIGURATION)
    return agent


def _state(config: Path | None, state: Path | None) -> Path:
    if state is not None:
        return state
    if config is None:
        raise click.UsageError("--config CONFIG or --state FOLDER is needed")
    return config.parent / _agent(config).state


def _parts(which: str) -> tuple[str, int]:
    name, _, sequence = which.rpartition("@")
    if not name or not sequence.isdecimal():
        raise click.UsageError(f"{which!r}: must be NAME@SEQUENCE, such as bearing@4; see bundle list")
    return name, int(sequence)


@contextmanager
def _failing() -> Iterator[None]:
    from edge_agent.bundles.store import NotNow, StoreError  # noqa: PLC0415

    try:
        yield
    except ConfigError as error:
        fail("\n".join(error.errors), BAD_CONFIGURATION)
    except NotNow as error:
        fail(str(error), TRY_AGAIN)
    except (BundleError, StoreError) as error:
        fail(str(error))
    except PermissionError as error:
        fail(f"{error.filename}: {error.strerror}; run it as root")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")


def _say(text: str, *, as_json: bool) -> None:
    click.echo(text, err=as_json)
