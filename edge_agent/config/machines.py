"""``[machine.NAME]``: each with its bundle, its inputs, and where its results go."""

from collections import ChainMap
from collections.abc import Mapping

import msgspec

from edge_agent.bundle import Bundle
from edge_agent.config import alarms, gates, upstream, writes
from edge_agent.config.bundles import Bundles
from edge_agent.config.fields import Place, build
from edge_agent.config.inputs import constants_of, inputs_of
from edge_agent.config.result import result_of
from edge_agent.config.schema import Beside, Device, Machine, ScannedTag
from edge_agent.config.tables import MachineTable
from edge_agent.core.comparison import Promotion


def machines_of(
    section: Mapping[str, object],
    bundles: Bundles,
    devices: dict[str, Device],
    broken: set[str],
    place: Place,
) -> list[Machine]:
    """Return the machines, keeping every error. `broken` are devices whose tags are not all known."""
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
        result = result_of(name, table, devices, broken, where.at("result"))
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
                alarm=alarms.alarms_of(table, bundle, tags, broken, where.at("alarm")),
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
