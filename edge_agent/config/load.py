"""TOML to a checked `Config`: everything but connecting, every error at once."""

import hashlib
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from edge_agent.bundle import Bundle
from edge_agent.config import alarms, gates, modbus, north, opcua, overlap, upstream, web, writes
from edge_agent.config.bundles import Bundles
from edge_agent.config.fields import ConfigError, Place, build, nearest, read_toml
from edge_agent.config.history import history_of
from edge_agent.config.inputs import constants_of, inputs_of
from edge_agent.config.links import Link
from edge_agent.config.result import overlaps, result_of
from edge_agent.config.schema import Beside, Config, Device, Machine, ScannedTag
from edge_agent.config.tables import AgentTable, DeviceTable, MachineTable, OpcUaTable
from edge_agent.config.tags import tags_of
from edge_agent.core.comparison import Promotion

_DRIVERS = (*modbus.DRIVERS, "opc-ua")
_SECTIONS = ("agent", "history", "link", "device", "machine", *web.SECTIONS, *north.SECTIONS)


def load(
    file: Path,
    *,
    check_units: bool = False,
    instead: Mapping[str, Path] = MappingProxyType({}),
    lenient: bool = False,
) -> Config:
    """Read and check a configuration and all it names, the units of tags if asked to. Raises `ConfigError`.

    `instead` are bundles by name that are not installed yet. If `lenient`, a machine whose installed bundle
    cannot be used runs without one, which is a warning: the service is to start, and to tell its PLC.
    """
    data = read_toml(file)
    root = Place(file)
    for key in data:
        if key not in _SECTIONS:
            root.at(key).wrong(f"unknown section; {nearest(key, _SECTIONS)}")
    agent = build(AgentTable, data.get("agent", {}), root.at("agent"))
    state = file.parent / (agent.state if agent else "")
    history = history_of(data.get("history", {}), root.at("history"))
    links = modbus.links(_section(data, root.at("link")), root.at("link"))
    devices, broken = _devices(_section(data, root.at("device")), links, state, root.at("device"))
    modbus.ports_taken_twice(devices.values(), root.at("device"))
    bundles = Bundles(
        state, file.parent / agent.trust if agent and agent.trust else None, instead, lenient=lenient
    )
    machines = _machines(_section(data, root.at("machine")), bundles, devices, broken, root.at("machine"))
    overlaps(devices, machines, root.at("machine"))
    if agent and agent.stop:
        known = {scanned.tag.name: scanned for device in devices.values() for scanned in device.tags}
        alarms.tag_there(agent.stop, known, broken, root.at("agent.stop"))
    page, metrics = web.web_of(data, root), web.metrics_of(data, root)
    named = north.Agent(name=agent.name if agent else "", state=state, trust=agent.trust if agent else "")
    told = north.north_of(data, named, _section(data, root.at("machine")), root)
    if check_units:
        _units(devices, root.at("device"))
    if root.errors or agent is None or history is None:
        raise ConfigError(root.errors)
    warnings = [warning for device in devices.values() for warning in _warnings(device)]
    warnings += north.warnings(told)
    return Config(
        name=agent.name,
        state=str(state),
        devices=list(devices.values()),
        machines=machines,
        warnings=[*bundles.warnings, *warnings, *web.warnings(page)],
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        history=history,
        stop=agent.stop,
        trial=agent.trial,
        web=page,
        metrics=metrics,
        north=told,
        file=str(file.absolute()),
    )


def _warnings(device: Device) -> list[str]:
    if isinstance(device.table, OpcUaTable):
        return opcua.warnings(device.name, device.table)
    return overlap.warnings(device)


def _units(devices: Mapping[str, Device], place: Place) -> None:
    tags = [scanned.tag for device in devices.values() for scanned in device.tags if scanned.tag.unit]
    if not tags:
        return
    # Imported here because it costs a second and 24 MB, which only those pay who ask for it.
    from edge_agent.config import units  # noqa: PLC0415

    for problem in units.problems(tags):
        place.wrong(problem)


def _section(data: Mapping[str, object], place: Place) -> Mapping[str, object]:
    section = data.get(place.key, {})
    if isinstance(section, Mapping):
        return section
    place.wrong(f"must be tables such as [{place.key}.press]")
    return {}


def _devices(
    section: Mapping[str, object], links: Mapping[str, Link | None], state: Path, place: Place
) -> tuple[dict[str, Device], set[str]]:
    """Return the devices, and the names of those whose tags are not all known for what was told wrong."""
    devices: dict[str, Device] = {}
    broken = set()
    if not section:
        place.wrong("at least one is needed, such as [device.press]")
    for name, data in section.items():
        where = place.at(name)
        if "." in name:
            where.wrong("a device's name has no dot: what stands behind one is the tag's")
        table = _device(data, links, state, where)
        if table is None:
            broken.add(name)
            continue
        before = len(place.errors)
        devices[name] = Device(name=name, table=table, tags=tags_of(name, table, where))
        if len(place.errors) > before:
            broken.add(name)
    return devices, broken


def _device(data: object, links: Mapping[str, Link | None], state: Path, place: Place) -> DeviceTable | None:
    driver = data.get("driver") if isinstance(data, Mapping) else None
    if driver not in _DRIVERS:
        place.at("driver").wrong(f"{driver!r} is unknown; {nearest(str(driver), _DRIVERS)}")
        return None
    assert isinstance(data, Mapping)
    if driver in modbus.DRIVERS:
        return modbus.device(data, links, place)
    table = build(OpcUaTable, data, place)
    return table and opcua.checked(table, state, place)


def _machines(
    section: Mapping[str, object],
    bundles: Bundles,
    devices: dict[str, Device],
    broken: set[str],
    place: Place,
) -> list[Machine]:
    machines: list[Machine] = []
    results: dict[str, ScannedTag] = {}
    tags = {scanned.tag.name: scanned for device in devices.values() for scanned in device.tags}
    readable = ChainMap(tags, results)
    for name, data in section.items():
        where = place.at(name)
        table = build(MachineTable, data, where)
        if table is None:
            continue
        strangers = upstream.unknown(table.inputs, results, where.at("inputs"))
        result = result_of(table, devices, broken, where.at("result"))
        bundle = bundles.of(table, tags, where.at("bundle"))
        if bundle is None:
            continue
        at = where.at("inputs")
        inputs = inputs_of(table.inputs, bundle.manifest, readable, broken | strangers, at)
        machines.append(
            Machine(
                name=name,
                bundle=bundle,
                stored="" if table.bundle.endswith(".bundle") else table.bundle,
                inputs=inputs,
                upstream=upstream.upstream_of(inputs, bundle.manifest, results, at),
                constants=constants_of(table.constants, bundle.manifest, where.at("constants")),
                mode=table.mode,
                result=result,
                candidate=_candidate(table, bundle, bundles, readable, where),
                promotion=Promotion(**msgspec.structs.asdict(table.promotion)),
                gate=gates.gate_of(table, tags, broken, where),
                outside=table.outside,
                drift=_positive(table.drift, where.at("drift")),
                alarm=alarms.alarms_of(table, tags, broken, where.at("alarm")),
                permit=writes.permits_of(table, tags, broken, where.at("permit")),
                outputs=writes.outputs_of(table, devices, broken, where.at("outputs")),
            )
        )
        results |= upstream.results_of(machines[-1])
    return machines


def _candidate(
    table: MachineTable, active: Bundle, bundles: Bundles, tags: Mapping[str, ScannedTag], place: Place
) -> Beside | None:
    """Return the candidate that can run beside the active bundle. One that cannot is only a warning."""
    bundle = bundles.candidate(table)
    if bundle is None or active.absent:
        return None
    apart, manifest = Place(place.file, place.at("bundle").key), bundle.manifest
    if manifest.period != active.manifest.period:
        apart.wrong(f"steps every {manifest.period:g} s, the active one every {active.manifest.period:g} s")
    places = {i.name: column for column, i in enumerate(active.manifest.inputs)}
    for name in (i.name for i in manifest.inputs if i.name not in places):
        apart.wrong(f"needs the input {name}, which the active one does not have")
    there = {i.name for i in manifest.inputs} & places.keys()
    named = {name: tag for name, tag in table.inputs.items() if name in there or f"{name}[0]" in there}
    inputs_of(named, manifest, tags, set(), apart)
    known = {c.name for c in manifest.constants}
    constants = constants_of({n: v for n, v in table.constants.items() if n in known}, manifest, apart)
    bundles.warnings += [f"the candidate does not run: {error}" for error in apart.errors]
    if apart.errors:
        return None
    return Beside(bundle=bundle, columns=[places[i.name] for i in manifest.inputs], constants=constants)


def _positive(number: float, place: Place) -> float:
    if not number > 0:
        place.wrong(f"{number:g}: must be more than 0")
    return number
