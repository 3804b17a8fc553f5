"""A machine whose alarm is raised and waits to be acknowledged."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from memory_site import FormulaModel, Site, manifest, site

from edge_agent.config.schema import Alarms
from edge_agent.core.alarm import Handling
from edge_agent.core.manifest import Limits
from edge_agent.historian import Historian
from edge_agent.machine import Machine


class Alarming(NamedTuple):
    """The machine, where it is scanned, and what keeps its history."""

    site: Site
    machine: Machine
    historian: Historian


@asynccontextmanager
async def alarming(folder: Path, name: str) -> AsyncIterator[Alarming]:
    """Scan a machine of this name, whose history is in `folder`."""
    historian = Historian(folder)
    historian.open()
    try:
        async with site("ab", period=0.02) as s:
            made = manifest(period=0.02)
            output = msgspec.structs.replace(made.outputs[0], limits=Limits(on=0.8, off=0.6))
            model = FormulaModel(msgspec.structs.replace(made, outputs=[output]))
            model.answer = lambda rows: np.full((len(rows), 1), 0.9)
            alarm = Alarms(handling=Handling(wait=True))
            machine = s.machine(name, "a", "b", model, alarm=alarm, historian=historian)
            s.start()
            running = s.spawner.create_task(s.scan.run())
            try:
                yield Alarming(s, machine, historian)
            finally:
                s.scan.stop()
                await running
    finally:
        historian.close()
