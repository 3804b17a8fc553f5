"""What the commands that go stage by stage have in common: their options, and the walk itself."""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from edge_agent.commands.office import at, chosen
from edge_agent.commands.shared import FILE_PATH

if TYPE_CHECKING:
    from edge_agent.fleet.documents import What
    from edge_agent.fleet.office import Office

F = TypeVar("F", bound=Callable[..., Any])
W = TypeVar("W", bound="What")
BROKER = click.option(
    "--broker", type=FILE_PATH, required=True, help="A TOML file with [mqtt]: the plant's broker and group."
)
KEY = click.option("--key", type=FILE_PATH, required=True, help="The office's private key.")
GROUPS = click.option("--group", "groups", default="", help="Only gateways of these groups: a,b.")
GATEWAYS = click.option("--gateway", "gateways", default="", help="Only these gateways: a,b.")
EXCLUDE = click.option("--exclude", default="", help="All but these gateways: a,b.")
_GATE = (
    click.option("--stage", "shares", default="5%,25%,100%", show_default=True, help="Shares, growing."),
    click.option(
        "--ready", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Share to be well."
    ),
    click.option(
        "--failures", type=click.IntRange(0), default=0, show_default=True, help="So many may fail."
    ),
    click.option(
        "--timeout", type=click.FloatRange(1), default=3600.0, show_default=True, help="Seconds a stage."
    ),
)


def staged(command: F) -> F:
    """Give a command the options of a rollout."""
    for option in reversed((BROKER, KEY, GROUPS, GATEWAYS, EXCLUDE, *_GATE)):
        command = option(command)
    return command


def roll_out(
    broker: Path,
    what_of: Callable[["Office"], Awaitable[W]],
    only: Callable[["Office", Sequence[str], W], list[str]] | None = None,
    *,
    key: Path,
    groups: str,
    gateways: str,
    exclude: str,
    shares: str,
    ready: float,
    failures: int,
    timeout: float,
) -> NoReturn:
    """Bring what `what_of` makes to the gateways that are meant, and of them to those that `only` returns."""
    from edge_agent.fleet import stages  # noqa: PLC0415
    from edge_agent.fleet.rollout import Gate  # noqa: PLC0415
    from edge_agent.fleet.rollout import roll_out as bring  # noqa: PLC0415
    from edge_agent.fleet.saying import some  # noqa: PLC0415
    from edge_agent.fleet.withdrawing import file_of, tidy  # noqa: PLC0415
    from edge_agent.trust import private_key  # noqa: PLC0415

    async def walk(office: "Office") -> bool:
        private, parsed, began = private_key(key), stages.parse(shares), time.monotonic()
        names = chosen(office, groups, gateways, exclude)
        what = await what_of(office)
        names = only(office, names, what) if only else names
        last = stages.silent(office.reports.values(), time.time()).intersection(names)
        if last:
            click.echo(f"silent for {stages.RECENT / 3600:g} h, so they come last: {some(sorted(last))}")
        split = stages.split(names, parsed, what.text(), last)
        gate = Gate(ready=ready, failures=failures, timeout=timeout)
        passed = await bring(office, split, what=what, key=private, gate=gate, say=click.echo)
        for line in await tidy(office, file_of(what), began):
            click.echo(line)
        return passed

    sys.exit(0 if at(broker, walk) else 1)
