"""Plays process images to the machines of a configuration: the parts of the agent, but nothing of its world.

The scan thinks as it does live. Devices and history are on paper, and time is what the recording says.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import msgspec

from edge_agent.build import Parts, build
from edge_agent.config import Config
from edge_agent.config.schema import Device
from edge_agent.core.pipeline import Pipeline, Verdict
from edge_agent.core.tags import Columns, Tag
from edge_agent.links import Links
from edge_agent.machine import Machine
from edge_agent.replaying.foresight import Floats32, Foresight
from edge_agent.replaying.moment import Moment
from edge_agent.replaying.paper import PaperDriver, PaperHistorian
from edge_agent.scan import Scan


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """What one machine made of one tick. `wall` is in ns since 1970, `written` raw values by tag."""

    machine: str
    tick: int
    wall: int
    sequence: int
    inputs: Columns
    verdict: Verdict
    written: dict[str, float]


class Player:
    """A configuration's machines, ready to be played to. Made by `player`."""

    def __init__(self, parts: Parts, historian: PaperHistorian, drivers: dict[str, PaperDriver]) -> None:
        self._parts, self._historian = parts, historian
        self._writes: dict[str, list[tuple[PaperDriver, list[Tag]]]] = {}
        for machine in parts.config.machines:
            places = [(machine.written.device, machine.written.outputs)] if machine.written else []
            places += [(output.device, [output.tag]) for output in machine.followed]
            self._writes[machine.name] = [(drivers[device], tags) for device, tags in places]

    @property
    def scans(self) -> list[Scan]:
        """The scans that have machines."""
        return [scan for scan in self._parts.scans if scan.groups]

    @property
    def tags(self) -> list[Tag]:
        """The tags in the order of an image."""
        tags = {entry.tag.name: entry.tag for device in self._parts.config.devices for entry in device.tags}
        return [tags[name] for name in self._parts.rows]

    async def play(self, scan: Scan, chunks: Iterable[list[Moment]], take: Callable[[Cycle], None]) -> None:
        """Play moments to the machines of one scan; `take` gets every cycle in the order of time.

        Raises `InferenceFailed`.
        """
        scouts = [_Scout(machine, self._parts.rows) for group in scan.groups for machine in group.machines]
        for chunk in chunks:
            await _look_ahead(scouts, chunk)
            for moment in chunk:
                self._parts.table.latest = moment.image
                for group in scan.groups:
                    if _took(moment, group.machines):
                        _foresight(group.machines[0]).failing = moment.reason
                        await scan.think(
                            group.machines, moment.tick, moment.image, moment.now, moment.wall / 1e9
                        )
                        for machine in group.machines:
                            take(self._cycle(machine, moment))

    def _cycle(self, machine: Machine, moment: Moment) -> Cycle:
        sequence, inputs, verdict = self._historian.results[machine.name]
        written: dict[str, float] = {}
        for driver, tags in self._writes[machine.name]:
            written |= driver.taken(tags)
        return Cycle(
            machine=machine.name,
            tick=moment.tick,
            wall=moment.wall,
            sequence=sequence,
            inputs=inputs,
            verdict=verdict,
            written=written,
        )


def _took(moment: Moment, machines: list[Machine]) -> bool:
    return not moment.machines or moment.machines == tuple(machine.name for machine in machines)


def _foresight(machine: Machine) -> Foresight:
    assert isinstance(machine.model, Foresight)
    return machine.model


class _Scout:
    """Takes the inputs of ticks before their time, to find out what a machine's model will be asked."""

    def __init__(self, machine: Machine, rows: dict[str, int]) -> None:
        self.name, self.model = machine.name, _foresight(machine)
        manifest = self.model.bundle.manifest
        alone = not manifest.model.state and not machine.upstream
        self._pipeline = Pipeline(manifest, constants=machine.constants) if alone else None
        self._rows = [rows[name] for name in machine.input_names] if alone else []

    def asked(self, moment: Moment) -> Floats32 | None:
        """Return what the model will be asked at a tick; None if that depends on what it says before."""
        if self._pipeline is None or (moment.machines and self.name not in moment.machines):
            return None
        image, rows = moment.image, self._rows
        inputs = Columns(image.value[rows], image.quality[rows], image.reason[rows], image.at[rows])
        asked = self._pipeline.take(moment.tick, inputs, moment.now, moment.wall / 1e9)
        return None if asked is None else asked.copy()


async def _look_ahead(scouts: list[_Scout], chunk: list[Moment]) -> None:
    wanted: dict[Foresight, list[Floats32]] = {}
    for scout in scouts:
        asked = [scout.asked(moment) for moment in chunk]
        wanted.setdefault(scout.model, []).extend(row for row in asked if row is not None)
    for model, rows in wanted.items():
        await model.look_ahead(rows)


@asynccontextmanager
async def player(config: Config) -> AsyncIterator[Player]:
    """Build a configuration on paper and prove its models. Raises `InferenceFailed`."""
    drivers: dict[str, PaperDriver] = {}
    start = {
        output.tag.address: (output.normal - output.tag.offset) / output.tag.scale
        for machine in config.machines
        for output in machine.followed
    }

    def driver(device: Device, _links: Links) -> PaperDriver:
        return drivers.setdefault(device.name, PaperDriver(start))

    with tempfile.TemporaryDirectory() as state:
        # A candidate beside the active model makes no results.
        machines = [msgspec.structs.replace(machine, candidate=None) for machine in config.machines]
        on_paper = msgspec.structs.replace(config, state=state, machines=machines)
        historian = PaperHistorian()
        try:
            async with asyncio.TaskGroup() as group:
                parts = build(on_paper, historian, group, driver=driver, host=Foresight)
                running = [group.create_task(device.run()) for device in parts.devices]
                try:
                    # Devices on paper are connected long before a child has loaded its model.
                    for model in parts.models:
                        assert isinstance(model, Foresight)
                        await model.open()
                    yield Player(parts, historian, drivers)
                finally:
                    for model in parts.models:
                        model.close()
                    for task in running:
                        task.cancel()
        except BaseExceptionGroup as failed:
            if len(failed.exceptions) > 1:
                raise
            raise failed.exceptions[0] from None
