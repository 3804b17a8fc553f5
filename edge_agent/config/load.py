"""TOML to a checked `Config`: everything but connecting, every error at once."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from edge_agent.bundles.store import StoreError
from edge_agent.config import alarms, modbus, north, opcua, overlap, remote, web
from edge_agent.config.bundles import Bundles
from edge_agent.config.fields import CHECK_UNITS, ConfigError, Place, build, nearest, read, toml_of
from edge_agent.config.history import history_of
from edge_agent.config.links import Link
from edge_agent.config.machines import machines_of
from edge_agent.config.result import overlaps
from edge_agent.config.schema import Config, Device
from edge_agent.config.tables import AgentTable, DeviceTable, OpcUaTable
from edge_agent.config.tags import tags_of
from edge_agent.configurations import MAIN, Configurations, sequence_of

_DRIVERS = (*modbus.DRIVERS, "opc-ua")
_SECTIONS = ("agent", "history", "link", "device", "machine", *web.SECTIONS, *north.SECTIONS)


def load(
    file: Path,
    *,
    check_units: bool = False,
    instead: Mapping[str, Path] = MappingProxyType({}),
    lenient: bool = False,
    office: Path | None = None,
) -> Config:
    """Read and check a configuration and all it names, the units of tags if asked to. Raises `ConfigError`.

    `instead` are bundles by name that are not installed yet. Devices and machines are those of the folder
    `office`, or of the office's configuration that is active. If `lenient`, a machine whose installed bundle
    cannot be used runs without one, and an office's configuration that cannot be used is not; both are
    warnings: the service is to start, and to tell its PLC.
    """
    token = CHECK_UNITS.set(check_units)
    try:
        return _load(file, instead, office, lenient=lenient)
    finally:
        CHECK_UNITS.reset(token)


def _load(file: Path, instead: Mapping[str, Path], office: Path | None, *, lenient: bool) -> Config:
    # Read once: it may be written at this very moment.
    text, root = read(file), Place(file)
    data = toml_of(file, text)
    own = _config(data, root, root, instead, lenient=lenient)
    own = msgspec.structs.replace(own, text=text, sha256=hashlib.sha256(text).hexdigest())
    try:
        folder = office or _active(own)
        if folder is not None:
            return _of_office(own, data, root, folder, instead, lenient=lenient)
    except ConfigError as error:
        if office or instead or not lenient:
            raise
        problem = "; ".join(error.errors)
        told = f"the office's configuration is not used, the gateway's own is: {problem}"
        own = msgspec.structs.replace(own, not_taken=problem, warnings=[*own.warnings, told])
    return own


def _active(own: Config) -> Path | None:
    if own.north.fleet is None or own.north.fleet.configure == "nothing":
        return None
    try:
        return Configurations(Path(own.state)).active()
    except StoreError as error:
        raise ConfigError([str(error)]) from None


def _of_office(
    own: Config,
    data: Mapping[str, object],
    root: Place,
    folder: Path,
    instead: Mapping[str, Path],
    *,
    lenient: bool,
) -> Config:
    """Return the configuration with the office's devices and machines. Raises `ConfigError`."""
    fleet = own.north.fleet
    if fleet is None or fleet.configure == "nothing":
        raise ConfigError([f"{root.file}: fleet.configure: the office may not configure this gateway"])
    file = folder / MAIN
    parts = Place(file, home=root.file.parent)
    kept = {key: value for key, value in data.items() if key not in remote.SECTIONS}
    theirs = remote.sections(file)
    remote.bundle_files(data, theirs, parts)
    if parts.errors:
        raise ConfigError(parts.errors)
    found = _config({**kept, **theirs}, Place(root.file), parts, instead, lenient=lenient)
    remote.refusals(own, found, parts, writing=fleet.configure == "writing")
    if parts.errors:
        raise ConfigError(parts.errors)
    return msgspec.structs.replace(
        found,
        remote=sequence_of(folder.name),
        text=own.text,
        sha256=hashlib.sha256(f"{own.sha256} {folder.name}".encode()).hexdigest(),
        warnings=[f"links, devices and machines are the office's, from {file}", *found.warnings],
    )


def _config(
    data: Mapping[str, object],
    root: Place,
    parts: Place,
    instead: Mapping[str, Path],
    *,
    lenient: bool,
) -> Config:
    """Return the configuration of a file at `root`, with links, devices and machines at `parts`."""
    file, parts.errors = root.file, root.errors
    for key in data:
        if key not in _SECTIONS:
            root.at(key).wrong(f"unknown section; {nearest(key, _SECTIONS)}")
    agent = build(AgentTable, data.get("agent", {}), root.at("agent"))
    state = file.parent / (agent.state if agent else "")
    history = history_of(data.get("history", {}), root.at("history"))
    links = modbus.links(_section(data, parts.at("link")), parts.at("link"))
    devices, broken = _devices(_section(data, parts.at("device")), links, state, parts.at("device"))
    modbus.ports_taken_twice(devices.values(), parts.at("device"))
    bundles = Bundles(
        state, file.parent / agent.trust if agent and agent.trust else None, instead, lenient=lenient
    )
    machines = machines_of(_section(data, parts.at("machine")), bundles, devices, broken, parts.at("machine"))
    overlaps(devices, machines, parts.at("machine"))
    if agent and agent.stop:
        known = {scanned.tag.name: scanned for device in devices.values() for scanned in device.tags}
        alarms.tag_there(agent.stop, known, broken, root.at("agent.stop"))
    page, metrics = web.web_of(data, root), web.metrics_of(data, root)
    named = north.Agent(name=agent.name if agent else "", state=state, trust=agent.trust if agent else "")
    told = north.north_of(data, named, _section(data, root.at("machine")), root)
    if root.errors or agent is None or history is None:
        raise ConfigError(root.errors)
    found = list(devices.values())
    warnings = [*_opcua_warnings(found), *overlap.warnings(found), *modbus.warnings(found)]
    warnings += north.warnings(told, [machine.name for machine in machines])
    return Config(
        name=agent.name,
        state=str(state),
        devices=found,
        machines=machines,
        warnings=[*bundles.warnings, *warnings, *web.warnings(page)],
        history=history,
        stop=agent.stop,
        trial=agent.trial,
        web=page,
        metrics=metrics,
        north=told,
        file=str(file.absolute()),
    )


def _opcua_warnings(devices: list[Device]) -> list[str]:
    tables = [(device.name, device.table) for device in devices if isinstance(device.table, OpcUaTable)]
    return [warning for name, table in tables for warning in opcua.warnings(name, table)]


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
