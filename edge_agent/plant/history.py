"""Labelled history of the rig, made much faster than real time, as a recorder at the PLC would have it."""

import csv
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress

from edge_agent.plant.faults import Fault, FaultKind
from edge_agent.plant.registers import SIGNAL_POINTS, SIGNALS, quantised
from edge_agent.plant.rig import RATED_SPEED, Rig

COLUMNS = ("time", *SIGNALS, "fault", "severity", "label")
LABEL_ABOVE = 0.3  # severity of bearing wear

_QUIET = (150.0, 450.0)  # s of health before an episode
_DEVELOPMENT = (10.0, 300.0)  # s, log-uniform
_HOLD = (20.0, 60.0)  # s at full severity, until the repair
_STOP = (20.0, 60.0)  # s of standstill
_STOP_CHANCE = 0.5  # in each quiet stretch

_SHOW_AFTER = 2.0  # s before a progress bar is worth its lines
_SHOW_EVERY = 500  # rows


class Episode(msgspec.Struct, frozen=True):
    """Something that happens from `start` to `end`, in seconds: a fault, or with None a standstill."""

    start: float
    end: float
    fault: Fault | None


def schedule(rng: np.random.Generator, seconds: float, kinds: Sequence[FaultKind]) -> Iterator[Episode]:
    """Yield what happens, in order and without overlap. Every kind comes once before any comes twice."""
    at = 0.0
    deck: list[FaultKind] = []
    while at < seconds:
        quiet = rng.uniform(*_QUIET)
        if rng.random() < _STOP_CHANCE:
            start = at + 0.4 * quiet
            yield Episode(start, start + rng.uniform(*_STOP), None)
        at += quiet
        if kinds:
            deck = deck or [kinds[i] for i in rng.permutation(len(kinds))]
            development = float(np.exp(rng.uniform(*np.log(_DEVELOPMENT))))
            fault = Fault(kind=deck.pop(), start=at, development=development)
            yield Episode(at, at + development + rng.uniform(*_HOLD), fault)
            at += development + _HOLD[1]


def rows(seconds: float, seed: int, dt: float, kinds: Sequence[FaultKind]) -> Iterator[list[str]]:
    """Yield rows in the order of `COLUMNS`, each value with the resolution of its Modbus register."""
    rig = Rig(seed, dt)
    episodes = schedule(np.random.default_rng((seed, 1)), seconds, kinds)
    episode = next(episodes, None)
    for _ in range(round(seconds / dt)):
        if episode is not None and rig.now >= episode.end:
            episode = next(episodes, None)
        current = episode if episode is not None and rig.now >= episode.start else None
        fault = current.fault if current else None
        rig.faults = (fault,) if fault else ()
        rig.speed_setpoint = 0.0 if current and not fault else RATED_SPEED
        signals = rig.step()
        severity = fault.severity(rig.now) if fault else 0.0
        label = int(fault is not None and fault.kind is FaultKind.BEARING_WEAR and severity > LABEL_ABOVE)
        yield [
            f"{rig.now:.3f}",
            *(f"{quantised(point, signals[point.name]):.9g}" for point in SIGNAL_POINTS),
            (fault.kind if fault and severity > 0 else FaultKind.NONE).label,
            f"{severity:.4f}",
            str(label),
        ]


def write_history(path: Path, *, seconds: float, seed: int, dt: float, kinds: Sequence[FaultKind]) -> None:
    """Write the history to a CSV file, with a progress bar if it takes long and somebody is watching."""
    total = round(seconds / dt)
    with ExitStack() as stack:
        file = stack.enter_context(path.open("w", newline="", encoding="utf-8"))
        show = _progress(stack, path.name, total) if sys.stderr.isatty() else None
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, row in enumerate(rows(seconds, seed, dt, kinds)):
            writer.writerow(row)
            if show and number % _SHOW_EVERY == 0:
                show(number)
        if show:
            show(total)


def _progress(stack: ExitStack, title: str, total: int) -> Callable[[int], None]:
    """Return a function that shows how many rows are done, once that takes a while."""
    bar = Progress(console=Console(stderr=True))
    task = bar.add_task(title, total=total)
    begun = time.monotonic()
    shown = False

    def show(done: int) -> None:
        nonlocal shown
        if not shown and time.monotonic() - begun > _SHOW_AFTER:
            stack.enter_context(bar)
            shown = True
        bar.update(task, completed=done)

    return show
