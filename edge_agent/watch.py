"""`read --watch`: the tags again and again, on the screen or as lines of JSON."""

import asyncio
import logging
import sys
from collections.abc import Callable

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from edge_agent.commission import Reading, reading
from edge_agent.config import Config
from edge_agent.sampling import sampling

_STYLE = {"GOOD": "", "UNCERTAIN": "yellow", "BAD": "red"}


def watch(config: Config, every: float, *, as_json: bool, times: bool) -> None:
    """Show all tags of `config` every so many seconds until Ctrl-C; line by line where there is no screen.

    Raises BrokenPipeError when nobody reads any more.
    """
    logging.getLogger("edge_agent").setLevel(logging.ERROR)  # what breaks is seen in the readings
    try:
        if as_json:
            asyncio.run(_every(config, every, lambda seen: click.echo(msgspec.json.encode(seen))))
        elif not sys.stdout.isatty():
            asyncio.run(_every(config, every, lambda seen: click.echo(render(seen, times=times).plain)))
        else:
            with Live(console=Console(), auto_refresh=False) as live:
                asyncio.run(
                    _every(config, every, lambda seen: live.update(render(seen, times=times), refresh=True))
                )
    except KeyboardInterrupt:
        return


def render(readings: list[Reading], *, times: bool = False) -> Text:
    """Draw readings, one line each."""
    return Text("\n").join(Text(r.text(times=times), _STYLE[r.quality]) for r in readings)


async def _every(config: Config, every: float, show: Callable[[list[Reading]], None]) -> None:
    async with sampling(config, every) as sampler:
        async for tick in sampler.ticks():
            try:
                show([reading(tag, tick.columns, row) for row, tag in enumerate(sampler.tags)])
            except BrokenPipeError as error:
                gone = error
                break
    raise gone  # not within the tasks' group: whoever runs the command knows it by its type
