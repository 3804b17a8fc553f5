"""The agent's status in a terminal."""

import time
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from edge_agent.status import Status, ask

EVERY = 1.0
"""Seconds between two looks."""


def show(state: Path, *, watch: bool) -> None:
    """Print the status once, or keep showing it until Ctrl-C. Raises `NotRunning`."""
    console = Console()
    first = render(ask(state))
    if not watch:
        console.print(first)
        return
    with Live(first, console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(EVERY)
                live.update(render(ask(state)), refresh=True)
        except KeyboardInterrupt:
            return


def render(status: Status) -> Group:
    """Draw devices, machines and scans."""
    devices = Table("device", "state", "reads", "failures", "bad tags", "refused", title=status.name)
    for d in status.devices:
        state = {True: "[green]answers[/]", False: "[red]DOWN[/]", None: "not asked yet"}[d.healthy]
        bad, refused = ", ".join(d.bad_tags[:5]), ", ".join(d.quarantined[:5])
        devices.add_row(d.name, state, str(d.reads), str(d.failures), bad, refused)
    machines = Table("machine", "mode", "state", "score", "alarm", "why", "writes", "bundle")
    for m in status.machines:
        machines.add_row(
            m.name,
            m.mode,
            m.state,
            "-" if m.score is None else f"{m.score:.4g}",
            "[bold red]ALARM[/]" if m.alarm else "no",
            " ".join(
                word
                for word in (m.reason if m.reason != "NONE" else "", m.culprit, m.outside, *m.reasons)
                if word
            ),
            "[red]LATCHED OFF[/]" if m.latched else f"{m.writes.get('verified', 0)} verified",
            m.bundle,
        )
    scans = Table("period s", "cycles", "overruns")
    for s in status.scans:
        scans.add_row(f"{s.period:g}", str(s.cycles), str(s.overruns))
    return Group(devices, machines, scans)
