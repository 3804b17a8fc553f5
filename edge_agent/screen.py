"""The agent's status in a terminal."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_agent.pager import QUIT, Keys, Pager
from edge_agent.status import MachineStatus, NotRunning, OutputStatus, Status, ask

EVERY = 1.0
"""Seconds between two looks."""
FEW = 5
"""Names of tags that fit into a column."""


def stream(state: Path) -> None:
    """Print the status as lines of JSON until Ctrl-C. Raises `NotRunning` if nobody answers."""
    try:
        while True:
            click.echo(msgspec.json.encode(ask(state)))
            time.sleep(EVERY)
    except KeyboardInterrupt:
        return


def show(state: Path, *, watch: bool) -> None:
    """Print the status once, or keep showing it until Ctrl-C. Raises `NotRunning` if nobody answers."""
    console = Console()
    first = ask(state)
    if not watch:
        console.print(render(first))
        return
    try:
        with Keys() as keys:
            follow(console, first, lambda: ask(state), keys.wait)
    except KeyboardInterrupt:
        return


def follow(console: Console, first: Status, look: Callable[[], Status], wait: Callable[[float], str]) -> None:
    """Draw what `look` returns, again and again, until the key that ends it, or `look` raises.

    While nobody answers, with `NotRunning`, what was seen last stays, and it is said above it that it is old.
    `wait` gives the key that was pressed within so many seconds, "" if none was.
    """
    pager, seen, due = Pager(render(first)), time.time(), time.monotonic() + EVERY
    with Live(pager, console=console, auto_refresh=False, screen=True) as live:
        while (key := wait(max(0.0, due - time.monotonic()))) != QUIT:
            pager.press(key)
            if not key or time.monotonic() >= due:
                due = time.monotonic() + EVERY
                try:
                    pager.what, pager.above, seen = render(look()), Text(), time.time()
                except NotRunning as error:
                    old = f"NO CONNECTION: {error}; what follows is of {clock(seen)} and no longer true"
                    pager.above = Text(old, "bold white on magenta")
            live.refresh()


def clock(wall: float) -> str:
    """Return the time of day of seconds since 1970."""
    return time.strftime("%H:%M:%S", time.localtime(wall))


def moment(wall: float) -> str:
    """Return the time of day of seconds since 1970, with the date if it is not today's."""
    today = time.strftime("%F") == time.strftime("%F", time.localtime(wall))
    return clock(wall) if today else time.strftime("%F %H:%M", time.localtime(wall))


def render(status: Status) -> Group:
    """Draw machines, their alarms and candidates, devices and scans."""
    parts = [
        _machines(status),
        _alarms(status),
        _candidates(status),
        _devices(status),
        _north(status),
        _scans(status),
    ]
    if status.history_trouble:
        parts.append(Text(f"history: {status.history_trouble}; {status.history_lost} rows lost", "bold red"))
    if status.flight_trouble:
        lost = f"{status.flight_lost} images lost"
        parts.append(Text(f"flight recorder: {status.flight_trouble}; {lost}", "bold red"))
    return Group(*(part for part in parts if part is not None))


def _table(*heads: str, title: str | None = None) -> Table:
    """Make a table of which nothing is lost in a narrow terminal: words are broken, not cut off."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _machines(status: Status) -> RenderableType:
    table = _table("machine", "", "score", "state", "since", "why", "writes", "bundle", title=status.name)
    for m in status.machines:
        condition = _condition(m)
        table.add_row(
            m.name,
            condition.word,
            _score(m, condition.output),
            f"{m.state}\n{m.mode}",
            "-" if condition.since is None else moment(condition.since),
            Text("\n".join(_why(m))),
            _writes(m),
            m.bundle if m.model_runs else f"{m.bundle}\n[red]model is down[/]",
        )
    return table


class _Condition(NamedTuple):
    """The worst that is true of a machine, since when, and the output that makes it, if one does."""

    word: Text
    since: float | None
    output: OutputStatus | None = None


def _condition(m: MachineStatus) -> _Condition:
    """Say the worst. The word says it, the colour only helps."""
    alarm, warning, shelved = (next(filter(makes, m.outputs), None) for makes in (_raised, _warned, _shelved))
    for holds, word, style, output in (
        (m.alarm, "ALARM", "bold white on red", alarm),
        (m.state in ("FALLBACK", "FAULT"), "NO RESULT", "bold white on magenta", None),
        (warning, "WARNING", "bold black on yellow", warning),
        (m.reason != "NONE", "waiting", "cyan", None),
        (m.outside, "UNCERTAIN", "bold black on yellow", None),
        (shelved, "SHELVED", "bold cyan", shelved),
    ):
        if holds:
            return _Condition(Text(word, style), _since(output) if output else m.since, output)
    return _Condition(Text("normal", "green"), m.since)


def _since(o: OutputStatus) -> float | None:
    warns = not o.alarm and (_warned(o) or o.alarm_state == "NORMAL")
    return o.warning_since if warns else o.alarm_since


def _raised(o: OutputStatus) -> bool:
    return o.alarm


def _warned(o: OutputStatus) -> bool:
    return o.warning_state in ("UNACKNOWLEDGED", "ACKNOWLEDGED")


def _shelved(o: OutputStatus) -> bool:
    return "SHELVED" in (o.alarm_state, o.warning_state)


def _score(m: MachineStatus, made: OutputStatus | None) -> str:
    """Return the score of the output that makes the condition, or of the first, named if there are more."""
    score = made.score if made else m.score
    said = "-" if score is None else f"{score:.3g}"
    return f"{said}\n{made.name}" if made and len(m.outputs) > 1 else said


def _writes(m: MachineStatus) -> Text:
    if m.denied == "STOPPED":
        return Text("STOPPED", "red")
    if m.latched:
        return Text("LATCHED OFF", "red")
    return Text(f"{m.writes.get('verified', 0)} verified")


def _why(m: MachineStatus) -> list[str]:
    obstacle = " ".join(word for word in (m.reason if m.reason != "NONE" else "", m.culprit) if word)
    # What stops all writing stands in the column of writes; without a result the reason says more.
    told = m.mode != "active" or m.denied in ("NOTHING", "STOPPED", "LATCHED", "NO_RESULT")
    denied = "" if told else f"outputs denied: {m.denied}"
    return [line for line in (obstacle, denied, m.outside, *m.reasons) if line]


def _alarms(status: Status) -> RenderableType | None:
    """Draw the alarms that are not normal, a row for each level; None if all are."""
    table = _table("since", "machine", "output", "level", "state", "score", title="alarms")
    for m in status.machines:
        for o in m.outputs:
            levels = ("alarm", o.alarm_state, o.alarm_since), ("warning", o.warning_state, o.warning_since)
            for level, state, at in levels:
                if state != "NORMAL":
                    since = "-" if at is None else moment(at)
                    score = "-" if o.score is None else f"{o.score:.3g}"
                    table.add_row(since, m.name, o.name, level, _left(state, o.shelved_until), score)
    return table if table.row_count else None


def _left(state: str, until: float | None) -> str:
    return f"{state}\nuntil {moment(until)}" if state == "SHELVED" and until is not None else state


def _candidates(status: Status) -> RenderableType | None:
    """Draw what runs beside the active models, and what it still has to show; None if nothing does."""
    table = _table(
        "machine", "candidate", "cycles", "differ", "alarms", "missed", "lacks", title="candidates"
    )
    for m in status.machines:
        if c := m.candidate:
            counted = (
                c.tally.cycles,
                c.tally.flips,
                c.tally.only_active + c.tally.only_candidate,
                c.tally.missed,
            )
            table.add_row(
                m.name, f"{c.bundle}@{c.sequence}", *map(str, counted), Text("; ".join(c.lacks) or "nothing")
            )
    return table if table.row_count else None


def _devices(status: Status) -> RenderableType:
    table = _table("device", "state", "round trip", "reads", "failures", "bad tags", "refused")
    for d in status.devices:
        state = {True: "[green]answers[/]", False: "[bold red]DOWN[/]", None: "not asked yet"}[d.healthy]
        trip = "-" if d.round_trip is None else f"{1000 * d.round_trip:.1f} ms"
        bad, refused = (Text(", ".join(tags[:FEW])) for tags in (d.bad_tags, d.quarantined))
        table.add_row(d.name, state, trip, str(d.reads), str(d.failures), bad, refused)
    return table


def _north(status: Status) -> RenderableType | None:
    """Draw how what is told to the north stands; None if nobody asked for it."""
    table = _table("told to", "state", "since", "waiting", "told", "dropped", "error")
    if m := status.mqtt:
        state = "[green]connected[/]" if m.connected else "[bold red]AWAY[/]"
        waiting = "0" if m.oldest is None else f"{m.waiting}\nsince {moment(m.oldest)}"
        told = (waiting, str(m.told), str(m.dropped), Text(m.error))
        table.add_row(f"mqtt {m.broker}", state, moment(m.since), *told)
    if s := status.opcua_server:
        state = "[green]listens[/]" if s.listening else "[bold red]DOWN[/]"
        clients = f"{s.clients} client{'' if s.clients == 1 else 's'}"
        table.add_row(s.endpoint, state, moment(s.since), "-", clients, "-", Text(s.error))
    return table if table.row_count else None


def _scans(status: Status) -> RenderableType:
    table = _table("period", "cycles", "overruns", "took", "late")
    for s in status.scans:
        took, late = ("-" if t is None else f"{1000 * t:.1f} ms" for t in (s.took, s.late))
        table.add_row(f"{s.period:g} s", str(s.cycles), str(s.overruns), took, late)
    return table
