"""What this box is fit for: disk, clocks, processor and runtime, each with what to do about it."""

from pathlib import Path

from edge_agent.doctor import clock, disk, processor
from edge_agent.doctor.finding import Finding, Grade

__all__ = ["Finding", "Grade", "examine"]


def examine(state: Path) -> list[Finding]:
    """Look at everything; takes some seconds and changes nothing. `state` is the state folder."""
    return [*disk.look(state), *clock.look(), *processor.look()]
