"""The run: plant, agent and panel as three processes' worth of real parts, one fault, one summary."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from edge_agent.config import load
from edge_agent.demo import site, view
from edge_agent.demo.panel import Panel, PanelFailed
from edge_agent.demo.story import Story
from edge_agent.plant.process import PlantFailed, PlantProcess
from edge_agent.status import NotRunning, Status, ask

LOOK_EVERY = 0.1
WEAR_OUT = 20
"""Seconds in which the bearing wears out, at most."""
AGENT_STOPS_WITHIN = 15.0
SETTLED = 15.0
"""Seconds of healthy running that are shown before the fault, at least."""


def main(seconds: int, folder: Path, bundle: Path | None) -> int:
    """Play the demo and return the exit code: 0 if the alarm came after the fault and never before."""
    console = Console()
    folder = site.fresh(folder)
    story = Story(seconds=seconds, fault_due=max(SETTLED, 0.3 * seconds) if seconds > 30 else 0.4 * seconds)
    try:
        console.print("starting the plant: Modbus TCP and OPC UA servers in a process of their own")
        with PlantProcess() as plant:
            assert plant.opcua_port is not None
            config = site.make(folder, bundle, plant.modbus_port, plant.opcua_port)
            with _agent(config, folder) as agent, Panel(plant.modbus_port) as panel:
                _watch(console, story, panel, config)
                stopped = _stop(agent)
                last = panel.look()
    except (PlantFailed, PanelFailed) as error:
        console.print(f"[red]{error}[/]\nfolder: {folder}")
        return 1
    console.print(view.summary(story, last, stopped, folder))
    return 0 if story.told_right and stopped == 0 else 1


@contextmanager
def _agent(config: Path, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "run", str(config)], stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        yield agent
    finally:
        agent.kill()
        agent.wait()


def _stop(agent: "subprocess.Popen[bytes]") -> int:
    agent.send_signal(signal.SIGTERM)
    return agent.wait(AGENT_STOPS_WITHIN)


def _watch(console: Console, story: Story, panel: Panel, config: Path) -> None:
    """Look ten times a second, show it, and let the bearing wear when its time has come."""
    state = Path(load(config).state)
    start = time.monotonic()
    ticks = 0
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:
        while story.now < story.seconds:
            story.see(panel.look())
            if story.fault_at is None and story.now >= story.fault_due:
                panel.wear_the_bearing(min(WEAR_OUT, int(0.4 * story.seconds)))
                story.fault_at = story.now
            if ticks % 10 == 0:
                story.status = _status(state) or story.status
            if console.is_terminal and ticks % 2 == 0:
                live.update(view.screen(story), refresh=True)
            elif not console.is_terminal and ticks % 50 == 0:
                console.print(view.line(story), soft_wrap=True)
            ticks += 1
            time.sleep(max(0.0, start + ticks * LOOK_EVERY - time.monotonic()))
            story.now = time.monotonic() - start


def _status(state: Path) -> Status | None:
    try:
        return ask(state)
    except NotRunning:
        return None
