"""Inputs that are results of other machines, which are declared before, so that there is always an order."""

from collections.abc import Mapping, Sequence

from edge_agent.config.fields import Place, nearest
from edge_agent.config.schema import Machine, ScannedTag, Upstream
from edge_agent.core.manifest import Manifest
from edge_agent.core.tags import Tag

PREFIX = "machine."


def results_of(machine: Machine) -> dict[str, ScannedTag]:
    """Return the results of a machine as tags, ``machine.NAME.OUTPUT``."""
    manifest = machine.bundle.manifest
    tags = [
        Tag(name=f"{PREFIX}{machine.name}.{output.name}", address=None, unit=output.unit)
        for output in manifest.outputs
    ]
    return {tag.name: ScannedTag(tag=tag, scan=manifest.period) for tag in tags}


def upstream_of(
    inputs: Sequence[str], manifest: Manifest, results: Mapping[str, ScannedTag], place: Place
) -> tuple[Upstream, ...]:
    """Return which inputs are results of other machines, keeping every error.

    `inputs` are the names in the bundle's order, `results` those of the machines declared before.
    """
    found = []
    for number, (wants, name) in enumerate(zip(manifest.inputs, inputs, strict=False)):
        if name not in results:
            continue
        if results[name].scan != manifest.period:
            place.at(wants.name).wrong(
                f"{name} comes every {results[name].scan:g} s, the bundle steps every {manifest.period:g} s; "
                "only a machine of the same period can use it"
            )
        machine, _, output = name.removeprefix(PREFIX).partition(".")
        found.append(Upstream(place=number, machine=machine, output=output))
    return tuple(found)


def unknown(named: Mapping[str, str], results: Mapping[str, ScannedTag], place: Place) -> set[str]:
    """Keep an error for every result that no machine declared before has; return their names."""
    missing = {name for name in named.values() if name.startswith(PREFIX) and name not in results}
    for key, name in named.items():
        if name in missing:
            place.at(key).wrong(
                f"no machine declared before this one has the result {name!r}; {nearest(name, results)}"
            )
    return missing
