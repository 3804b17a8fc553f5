"""What the demo shows: the panel while it runs, the summary at its end."""

import struct
from itertools import zip_longest
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from edge_agent.core.resultblock import FIELDS, State
from edge_agent.core.tags import Quality, Reason
from edge_agent.demo.panel import Look
from edge_agent.demo.story import Story
from edge_agent.plant.plc import AgentState
from edge_agent.plant.registers import RESULT_ADDRESS

_BAR = 40
_IN_HEX = ("layout", "crc")


def screen(story: Story) -> RenderableType:
    """Draw the panel."""
    look = story.last
    if look is None:
        return Text("waiting for the PLC")
    parts = (_headline(story), _inputs(look), _score(look), _block(look), _agent(story))
    return Group(*(Padding(part, (1, 0, 0, 0)) for part in parts))


def line(story: Story) -> str:
    """Say the same in one line, for a terminal that cannot be redrawn."""
    look = story.last
    if look is None:
        return "waiting for the PLC"
    result = look.result
    score = f"{result.score:.3f}" if result and result.decides else "none"
    alarm = "ALARM" if result and result.alarm else "no alarm"
    return (
        f"{story.now:5.1f} s  vibration {look.signals['vibration']:5.2f} mm/s  "
        f"score in the PLC {score}  {alarm}  {_fault(story)}"
    )


def summary(story: Story, last: Look, exit_code: int, folder: Path) -> RenderableType:
    """Draw the end: what was seen, and where everything lies."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    if story.alarm_at is not None and story.fault_at is not None:
        delay = f"{story.alarm_at - story.fault_at:.1f} s, seen in the PLC by the panel"
    else:
        delay = "[red]the alarm never came[/]"
    table.add_row("from fault to alarm", delay)
    if story.lamp_at is not None and story.fault_at is not None:
        table.add_row("PLC lit its lamp after", f"{story.lamp_at - story.fault_at:.1f} s, its own decision")
    table.add_row("alarms before the fault", str(story.false_alarms))
    status = story.status
    if status:
        writes = status.machines[0].writes
        table.add_row("cycles", str(max(scan.cycles for scan in status.scans)))
        table.add_row("overruns", str(sum(scan.overruns for scan in status.scans)))
        table.add_row("writes verified", str(writes["verified"]))
        failed = {name: count for name, count in writes.items() if count and name != "verified"}
        table.add_row("other writes", ", ".join(f"{n} {name}" for name, n in failed.items()) or "none")
    table.add_row("new results seen in the PLC", str(story.results))
    table.add_row(
        "at the end the PLC holds", f"state {State(last.words[3]).name}, agent exit code {exit_code}"
    )
    table.add_row("look at", f"{folder}/config.toml, bearing.bundle, agent.log, state/history.db")
    return Frame(table, title="told right" if story.told_right else "[red]not told right[/]", expand=False)


def _fault(story: Story) -> str:
    if story.fault_at is None:
        return f"bearing healthy, wears in {max(0.0, story.fault_due - story.now):.0f} s"
    return f"bearing wears since {story.now - story.fault_at:.0f} s"


def _headline(story: Story) -> RenderableType:
    text = Text(f"{story.now:5.1f} of {story.seconds} s   {_fault(story)}   ")
    if story.last and story.last.result and story.last.result.alarm:
        text.append(" ALARM ", style="bold white on red")
        if story.alarm_at is not None and story.fault_at is not None:
            text.append(f" after {story.alarm_at - story.fault_at:.1f} s")
    return text


def _inputs(look: Look) -> RenderableType:
    table = Table(title="inputs", title_justify="left", box=None)
    for name, unit in look.units.items():
        table.add_column(f"{name}\n{unit}", justify="right")
    table.add_row(*(f"{value:.2f}" for value in look.signals.values()))
    return table


def _score(look: Look) -> RenderableType:
    result = look.result
    if result is None or not result.decides:
        return Text("score   none yet", style="yellow")
    filled = round(_BAR * min(max(result.score, 0.0), 1.0))
    text = Text(f"score   {result.score:.3f} ")
    text.append("█" * filled, style="red" if result.alarm else "green")
    return text.append("░" * (_BAR - filled), style="dim")


def _block(look: Look) -> RenderableType:
    table = Table(title="result block, as read back from the PLC", title_justify="left", box=None)
    rows = (len(FIELDS) + 1) // 2
    for _ in range(2):
        table.add_column("register", justify="right", style="dim")
        table.add_column("field")
        table.add_column("holds", min_width=12)
    for left, right in zip_longest(FIELDS[:rows], FIELDS[rows:]):
        table.add_row(*_field(look, *left), *(_field(look, *right) if right else ()))
    return table


def _field(look: Look, name: str, kind: str, word: int) -> tuple[str, str, str]:
    """Return register, name and content of one field of the result block."""
    raw = look.words[word]
    known = {"state": State, "reason": Reason, "input_quality": Quality}.get(name)
    if known is not None and raw in set(known):
        text = known(raw).name
    elif kind == "float32":
        (number,) = struct.unpack(">f", struct.pack(">2H", *look.words[word : word + 2]))
        text = "-" if look.result is None else f"{number:.3f}"
    elif kind == "uint32":
        text = f"{raw << 16 | look.words[word + 1]:08X}"
    elif name in _IN_HEX:
        text = f"{raw:04X}"
    else:
        text = str(raw)
    return str(RESULT_ADDRESS + word), name, text


def _agent(story: Story) -> RenderableType:
    look, status = story.last, story.status
    assert look is not None
    plc = f"the PLC: agent {AgentState(look.agent_state).name}, lamp {'ON' if look.lamp else 'off'}"
    if status is None:
        return Text(f"{plc}   the agent: starting")
    verified = status.machines[0].writes["verified"]
    cycles, overruns = max(s.cycles for s in status.scans), sum(s.overruns for s in status.scans)
    return Text(f"{plc}   the agent: {cycles} cycles, {overruns} overruns, {verified} writes verified")
