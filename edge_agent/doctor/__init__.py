"""What this box is fit for: disk, clocks, processor and runtime, each with what to do about it."""

from pathlib import Path

from edge_agent.config import Config
from edge_agent.doctor import clock, disk, processor
from edge_agent.doctor.finding import Finding, Grade

__all__ = ["Finding", "Grade", "examine"]


def examine(state: Path, config: Config | None = None) -> list[Finding]:
    """Look at everything, also for what a configuration asks; takes some seconds and changes nothing."""
    found = [*disk.look(state), *clock.look(), *processor.look()]
    if config is None:
        return found
    # Imported here because it takes all that the agent is made of.
    from edge_agent.doctor import certificates, plant, wear  # noqa: PLC0415

    return [*found, *wear.look(config, state), *plant.look(config, state), *certificates.look(config)]
