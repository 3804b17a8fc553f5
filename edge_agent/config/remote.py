"""A configuration of the office: links, devices and machines instead of those of the gateway's own file.

All else (names, folders, keys, how the gateway is reached and by whom) stays as its own file has it, and so
does what the gateway writes, unless that file says ``configure = "writing"`` in ``[fleet]``.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_agent.config.fields import ConfigError, Place, read_toml
from edge_agent.config.links import TlsTable
from edge_agent.config.schema import Config, Device, Machine, ScannedTag
from edge_agent.config.tables import DeviceTable, OpcUaTable, connection
from edge_agent.config.tags import PROFILE
from edge_agent.configurations import NAME

SECTIONS = ("link", "device", "machine")


def sections(file: Path) -> Mapping[str, object]:
    """Read the office's sections, which are all that its file may have. Raises `ConfigError`.

    Nothing that it names is read here.
    """
    data = read_toml(file)
    place = Place(file)
    for key in data:
        if key not in SECTIONS:
            place.at(key).wrong("is the gateway's own; the office configures link, device and machine")
    for device, name in tag_files(data):
        if not NAME.fullmatch(name):
            place.at("device").at(device).at("tags").wrong(f"{name!r} is no name of a file beside this one")
    if place.errors:
        raise ConfigError(place.errors)
    return data


def tag_files(data: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the devices that have their tags in files, and the names of those."""
    for device, tags in _values(data, "device", "tags"):
        if isinstance(tags, str) and not tags.startswith(PROFILE):
            yield device, tags


def bundle_files(own: Mapping[str, object], data: Mapping[str, object], place: Place) -> None:
    """Keep an error for every bundle that is a file which the gateway's own file does not name."""
    known = dict(_values(own, "machine", "bundle"))
    for machine, bundle in _values(data, "machine", "bundle"):
        if isinstance(bundle, str) and bundle.endswith(".bundle") and known.get(machine) != bundle:
            place.at("machine").at(machine).at("bundle").wrong(
                f"{bundle!r} is a file; name an installed bundle, or the same file as the gateway's own"
            )


def _values(data: Mapping[str, object], section: str, key: str) -> Iterator[tuple[str, object]]:
    tables = data.get(section)
    for name, table in tables.items() if isinstance(tables, Mapping) else ():
        if isinstance(table, Mapping):
            yield name, table.get(key)


def refusals(own: Config, other: Config, place: Place, *, writing: bool) -> None:
    """Keep an error for whatever `other` may not change of what the gateway's own file says.

    A credential goes to no other device than the file's, and the tag that stops all writing stays what it is.
    Unless `writing`, results are written nowhere else, and a machine in mode active is as it is in the file,
    with all that it looks at. Less is always allowed: fewer machines, a lower mode.
    """
    at = place.at("device")
    devices = {device.name: device for device in own.devices}
    for device in other.devices:
        if _secret(device.table) and not _same_connection(devices.get(device.name), device):
            at.at(device.name).wrong("uses a credential or a key, so it must be as in the gateway's own file")
    if own.stop and _tags(own)[own.stop] != _tags(other)[own.stop]:
        at.wrong(f"{own.stop} stops all writing, so it must be as in the gateway's own file")
    machines = {machine.name: machine for machine in own.machines}
    for machine in other.machines:
        known = machines.get(machine.name)
        for problem in _of_machine(known, machine, own, other, writing=writing):
            place.at("machine").at(machine.name).wrong(problem)


def _of_machine(
    known: Machine | None, machine: Machine, own: Config, other: Config, *, writing: bool
) -> Iterator[str]:
    if writing:
        return
    if machine.written and (known is None or known.written != machine.written):
        yield "it writes a result that the gateway's own file does not; see configure in [fleet]"
    elif machine.written and not _reach(own, other, {machine.written.device}):
        yield f"it writes to {machine.written.device}, which is another device in the gateway's own file"
    if machine.mode == "active" and (known is None or _essence(known, own) != _essence(machine, other)):
        yield "in mode active all of it must be as in the gateway's own file; see configure in [fleet]"


def _secret(table: DeviceTable) -> bool:
    if isinstance(table, OpcUaTable):
        return bool(table.login)
    return isinstance(table.link.table, TlsTable)


def _same_connection(known: Device | None, device: Device) -> bool:
    return known is not None and connection(known.table) == connection(device.table)


def _reach(own: Config, other: Config, names: set[str]) -> bool:
    """Return whether devices of these names are reached in the same way in both."""
    known = {device.name: device for device in own.devices}
    return all(_same_connection(known.get(d.name), d) for d in other.devices if d.name in names)


def _essence(machine: Machine, config: Config) -> tuple[Any, ...]:
    """Return all that has a say in what an active machine writes, but the version of its bundle."""
    tags = _tags(config)
    fields = [f for f in machine.__struct_fields__ if f not in ("bundle", "candidate")]
    written = {follow.device for follow in machine.followed}
    reached = [connection(device.table) for device in config.devices if device.name in written]
    named = {machine.name: machine for machine in config.machines}
    before = [_essence(named[one.machine], config) for one in machine.upstream]
    return ([getattr(machine, f) for f in fields], [tags.get(name) for name in machine.tags], reached, before)


def _tags(config: Config) -> dict[str, tuple[ScannedTag, DeviceTable]]:
    """Return every tag with how its device is reached."""
    return {s.tag.name: (s, connection(d.table)) for d in config.devices for s in d.tags}
