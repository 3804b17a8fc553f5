"""What a bundle asks of a machine: a tag for each input, a number for each constant."""

import math
from collections.abc import Mapping

from edge_agent.config.fields import Place, nearest
from edge_agent.config.schema import ScannedTag
from edge_agent.core.manifest import Input, Manifest
from edge_agent.core.registers import Address


def inputs_of(
    named: Mapping[str, str],
    manifest: Manifest,
    tags: Mapping[str, ScannedTag],
    broken: set[str],
    place: Place,
) -> list[str]:
    """Return the tags of a machine's inputs in the bundle's order, keeping every error.

    The name of a waveform stands for all its samples: ``vib = "press.vib"`` for ``vib[0]`` and on.
    """
    wanted = {i.name: i for i in manifest.inputs}
    named = {one: tag for name, given in named.items() for one, tag in _samples(name, given, wanted)}
    for name in named:
        if name not in wanted:
            place.at(name).wrong(f"the bundle has no such input; {nearest(name, wanted)}")
    for name, wants in wanted.items():
        where = place.at(name)
        if name not in named:
            where.wrong("the bundle needs this input; name the tag that holds it")
        elif named[name] in tags:
            _fits(wants, tags[named[name]], manifest.period, where)
        elif named[name] not in broken and named[name].split(".")[0] not in broken:
            where.wrong(f"there is no tag {named[name]!r}; {nearest(named[name], tags)}")
    return [named[name] for name in wanted if name in named]


def constants_of(given: Mapping[str, float], manifest: Manifest, place: Place) -> tuple[float, ...]:
    """Return a machine's constants in the bundle's order, keeping every error."""
    wanted = [c.name for c in manifest.constants]
    for name, value in given.items():
        if name not in wanted:
            place.at(name).wrong(f"the bundle has no such constant; {nearest(name, wanted)}")
        elif not math.isfinite(value):
            place.at(name).wrong(f"{value} is no number that a model can take")
    for constant in manifest.constants:
        if constant.name not in given:
            unit = f", in {constant.unit}" if constant.unit else ""
            place.at(constant.name).wrong(f"the bundle needs this constant of the machine{unit}; give it")
    return tuple(given[name] for name in wanted if name in given)


def _samples(name: str, tag: str, wanted: Mapping[str, Input]) -> list[tuple[str, str]]:
    if name in wanted or f"{name}[0]" not in wanted:
        return [(name, tag)]
    count = sum(one.startswith(f"{name}[") for one in wanted)
    return [(f"{name}[{i}]", f"{tag}[{i}]") for i in range(count)]


def _fits(wants: Input, scanned: ScannedTag, period: float, place: Place) -> None:
    tag = scanned.tag
    if isinstance(tag.address, Address) and tag.address.type == "string":
        place.wrong(f"{tag.name} is a text; a model takes numbers")
    if wants.unit and tag.unit and wants.unit != tag.unit:
        place.wrong(f"{tag.name} is in {tag.unit!r}, the bundle wants {wants.unit!r}; scale the tag")
    slowest = max(period, wants.max_age or 0.0)
    if scanned.scan > slowest * (1 + 1e-6):
        allowed = "allows an age of" if slowest > period else "steps every"
        place.wrong(
            f"{tag.name} is read every {scanned.scan:g} s, the bundle {allowed} {slowest:g} s; "
            "give the tag or its device a shorter scan"
        )
