"""What the command line of the converter needs beside click: shares, and steps told as they go."""

import math
import time
from typing import Self

import click
from rich.console import Console

PERIODS = {"hour": 3600.0, "day": 86_400.0, "week": 604_800.0, "month": 2_629_800.0, "year": 31_557_600.0}
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


class Share(click.ParamType[float]):
    """A fraction of at least 0, as ``0.001`` or ``0.1%``."""

    name = "share"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the fraction."""
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = math.nan
        if not 0 <= share < math.inf:
            self.fail(f"{value!r} is no share; give a fraction as 0.001, or a percentage as 0.1%", param, ctx)
        return share


class Span(click.ParamType[float]):
    """A length of time, as ``90s``, ``30min``, ``12h``, ``7d`` or ``2w``."""

    name = "time"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        number = value.strip().rstrip("abcdefghijklmnopqrstuvwxyz")
        try:
            return float(number) * SECONDS[value.strip().removeprefix(number).strip()]
        except (ValueError, KeyError):
            self.fail(f"{value!r} is no length of time; give 90s, 30min, 12h, 7d or 2w", param, ctx)


class Rate(click.ParamType[float]):
    """So many in a length of time, as ``1/week`` or ``2/day``."""

    name = "rate"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return how many a second."""
        if isinstance(value, float):
            return value
        count, _, unit = value.replace(" ", "").partition("/")
        try:
            rate = float(count) / PERIODS[unit]
        except (ValueError, KeyError):
            rate = math.nan
        if not 0 < rate < math.inf:
            self.fail(f"{value!r} is no rate; give 1/week, 2/day or 6/year", param, ctx)
        return rate


class Steps:
    """The step that is being done, turning; those that are done, with their seconds."""

    def __init__(self, console: Console) -> None:
        self._console, self._status = console, console.status("starting")
        self._doing, self._since = "", 0.0

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        self._status.stop()
        if not failed:
            self._finish()

    def begin(self, step: str) -> None:
        """Say that one step is done and `step` begins."""
        self._finish()
        self._doing, self._since = step, time.monotonic()
        self._status.update(step)

    def _finish(self) -> None:
        if self._doing and self._console.is_terminal:
            took = time.monotonic() - self._since
            self._console.print(f"{took:5.1f} s  {self._doing}", highlight=False, style="dim")
