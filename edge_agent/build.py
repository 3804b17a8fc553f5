"""From a checked configuration to the parts that run, wired together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from edge_agent.asking import ScanClass, Spawner
from edge_agent.bundle import Bundle
from edge_agent.bundles.candidate import Candidate
from edge_agent.bundles.store import Store
from edge_agent.config import Config, schema
from edge_agent.config.tables import DeviceTable, ModbusTable
from edge_agent.core.writeback import Output
from edge_agent.device import Device
from edge_agent.drivers import Driver
from edge_agent.following import Follower, Following
from edge_agent.historian import Historian
from edge_agent.history.flight import FlightRecorder, Track
from edge_agent.inference.host import ModelHost
from edge_agent.links import Links, modbus
from edge_agent.machine import Machine, Wiring
from edge_agent.reuse import Reuse
from edge_agent.scan import Scan
from edge_agent.stop import Stop
from edge_agent.table import STALE, Table
from edge_agent.upstream import Source

SHORTEST_DEADLINE = 0.25
"""Seconds that a model may take to answer, however short the period is: a busy box is not a dead child."""


@dataclass(frozen=True, slots=True)
class Parts:
    """All that an agent is made of. `rows` says where in the table a tag stands."""

    config: Config
    links: Links
    devices: list[Device]
    models: list[ModelHost]
    machines: list[Machine]
    scans: list[Scan]
    table: Table
    rows: dict[str, int]
    candidates: list[ModelHost] = field(default_factory=list)
    """Run models that are only compared; one that is active elsewhere may be among them."""

    @property
    def hosts(self) -> set[ModelHost]:
        """All that run models."""
        return {*self.models, *self.candidates}


def driver_of(table: DeviceTable, links: Links | None = None) -> Driver:
    """Make the driver that a device table asks for. Without `links` nobody shares its link."""
    if isinstance(table, ModbusTable):
        return modbus(table, links or Links())
    # Imported here because it costs half a second and 25 MB that a Modbus-only gateway keeps.
    from edge_agent.opcua import opcua  # noqa: PLC0415

    return opcua(table)


def build(
    config: Config,
    historian: Historian,
    spawner: Spawner,
    before: Parts | None = None,
    *,
    driver: Callable[[schema.Device, Links], Driver] = lambda device, links: driver_of(device.table, links),
    host: type[ModelHost] = ModelHost,
) -> Parts:
    """Make and plan everything; connects to nothing. `spawner` will hold the tasks of the cycles.

    What an agent was made of `before` is used again where it is the same. `driver` makes the driver of a
    device, `host` runs a model.
    """
    reuse = (
        Reuse(config, before.config, before.devices, [*before.candidates, *before.models], before.machines)
        if before
        else Reuse(config)
    )
    links = before.links if before else Links()
    devices = {
        device.name: reuse.device(device) or Device(device.name, driver(device, links))
        for device in config.devices
    }
    scanned = [
        (device.name, entry)
        for device in config.devices
        for entry in sorted(device.tags, key=lambda entry: entry.scan)
    ]
    rows = {entry.tag.name: row for row, (_, entry) in enumerate(scanned)}
    table = Table(np.array([int(STALE * entry.scan * 1e9) for _, entry in scanned], np.int64))
    periods = [float(entry.scan) for _, entry in scanned] + [
        m.bundle.manifest.period for m in config.machines
    ]
    scans = {period: Scan(period, table, spawner) for period in dict.fromkeys(periods)}
    start = 0
    for (name, period), group in groupby(scanned, key=lambda pair: (pair[0], float(pair[1].scan))):
        tags = [entry.tag for _, entry in group]
        rows_of_class = slice(start, start + len(tags))
        scans[period].classes.append(ScanClass(devices[name], devices[name].plan(tags), rows_of_class))
        start += len(tags)
    models = _hosts([m.bundle for m in config.machines], reuse, host)
    candidates = _hosts([m.candidate.bundle for m in config.machines if m.candidate], reuse, host)
    machines: dict[str, Machine] = {}
    stop = Stop(Path(config.state), table, rows.get(config.stop))
    for one in config.machines:
        # In shadow nothing is declared, so there is nothing that could be written.
        outputs = devices[one.written.device].declare(one.written.outputs) if one.written else None
        following = _following(one, config, devices, historian)
        sources = [Source(u.place, machines[u.machine], u.output) for u in one.upstream]
        wiring = Wiring(rows, outputs, following, stop.stopped, sources)
        model = models[one.bundle.sha256]
        machine = _rewired(one, model, wiring, reuse) or Machine(one, model, historian, wiring)
        machine.candidate = _beside(one, machine, config, spawner, candidates)
        after = [machines[u.machine] for u in one.upstream]
        scans[one.bundle.manifest.period].add(machine, model, after)
        machines[one.name] = machine
    if historian.flight:
        for scan in scans.values():
            scan.track = _track(scan, historian.flight, config, rows)
    return Parts(
        config,
        links,
        list(devices.values()),
        list(models.values()),
        list(machines.values()),
        list(scans.values()),
        table,
        rows,
        list(candidates.values()),
    )


def _hosts(bundles: Sequence[Bundle], reuse: Reuse, host: type[ModelHost]) -> dict[str, ModelHost]:
    """Return what runs these bundles, one for all that are the same, by their SHA-256."""
    return {
        sha256: reuse.model(sha256) or host_of(bundle, host)
        for sha256, bundle in {bundle.sha256: bundle for bundle in bundles}.items()
    }


def _rewired(config: schema.Machine, model: ModelHost, wiring: Wiring, reuse: Reuse) -> Machine | None:
    """Return the machine that can go on, told how it is wired and what it runs from its next cycle on."""
    if machine := reuse.machine(config.name):
        machine.rewire(wiring)
        return machine
    if machine := reuse.exchanged(config.name):
        machine.rewire(wiring)
        machine.exchange(config, model)
    return machine


def _beside(
    config: schema.Machine,
    machine: Machine,
    whole: Config,
    spawner: Spawner,
    models: Mapping[str, ModelHost],
) -> Candidate | None:
    """Return what runs beside a machine: the candidate that does so already, if both bundles are the same."""
    if config.candidate is None:
        return None
    known, active, sha256 = machine.candidate, config.bundle.sha256, config.candidate.bundle.sha256
    if known is not None and (known.tally.active, known.tally.candidate) == (active, sha256):
        known.wanted = config.promotion
        return known
    folder = Store(Path(whole.state), config.stored).folder
    return Candidate(config, config.candidate, models[sha256], folder, spawner)


def _track(scan: Scan, flight: FlightRecorder, config: Config, rows: dict[str, int]) -> Track:
    """Record what the scan reads, and what its machines look at."""
    groups = [[machine.name for machine in group.machines] for group in scan.groups]
    thinking = {name for group in groups for name in group}
    seen = {tag for machine in config.machines if machine.name in thinking for tag in machine.tags}
    seen |= {config.stop} if config.stop else set()
    ranges = [(c.rows.start, c.rows.stop) for c in scan.classes]
    tags = {tag: row for tag, row in rows.items() if tag in seen or any(a <= row < b for a, b in ranges)}
    return flight.track(tags, groups, scan.period, config.sha256)


def _following(
    machine: schema.Machine, config: Config, devices: dict[str, Device], historian: Historian
) -> Following | None:
    followers = [
        Follower(follow, Output(follow.rule), devices[follow.device].declare([follow.tag]))
        for follow in machine.followed
    ]
    if not followers:
        return None
    return Following(machine.name, followers, historian, machine.bundle.sha256, config.sha256)


def host_of(bundle: Bundle, host: type[ModelHost] = ModelHost) -> ModelHost:
    """Make what will run a bundle; it starts nothing yet."""
    deadline = max(SHORTEST_DEADLINE, 0.5 * bundle.manifest.period)
    return host(bundle.manifest.name, bundle, deadline)
