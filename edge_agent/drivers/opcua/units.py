"""What a server says of the unit and the range of its values, compared with what the tags say."""

import math
from collections.abc import Mapping, Sequence

from asyncua import ua

from edge_agent.core.tags import Tag
from edge_agent.drivers.opcua.address import NodeAddress
from edge_agent.drivers.opcua.resolve import Node, child
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session

_SAME = str.maketrans({"°": "deg", "µ": "u", "μ": "u", "²": "2", "³": "3", "·": "*", " ": None})
"""Ways to write one unit. Two texts that still differ may mean the same: a warning is all that follows."""


async def differences(session: Session, tags: Sequence[Tag], ids: Mapping[Node, ua.NodeId]) -> list[str]:
    """Return where EngineeringUnits and EURange (Part 8, 5.3.2) do not agree with a tag. Raises `LinkDown`.

    Only what a tag states is asked for. A tag that is scaled has a unit of its own.
    """
    asked = [
        (tag, ids[tag.address.node], name)
        for tag in tags
        if isinstance(tag.address, NodeAddress) and tag.address.node in ids and not tag.address.field
        for name in _stated(tag)
    ]
    if not asked:
        return []
    found = await session.translate([child(node, name) for _, node, name in asked])
    there = [
        (tag, name, result.Targets[0].TargetId)
        for (tag, _, name), result in zip(asked, found, strict=True)
        if result.Targets
    ]
    answers = await session.read([attribute(ua.NodeId(t.Identifier, t.NamespaceIndex)) for _, _, t in there])
    said = []
    for (tag, name, _), answer in zip(there, answers, strict=True):
        value = answer.Value.Value
        if isinstance(value, ua.EUInformation) and name == "EngineeringUnits":
            said += _unit(tag, value.DisplayName.Text or "")
        elif isinstance(value, ua.Range):
            said += _range(tag, value.Low, value.High)
    return said


def _stated(tag: Tag) -> list[str]:
    stated = []
    if tag.unit and tag.scale == 1 and tag.offset == 0:
        stated.append("EngineeringUnits")
    if math.isfinite(tag.low) or math.isfinite(tag.high):
        stated.append("EURange")
    return stated


def _unit(tag: Tag, unit: str) -> list[str]:
    if unit and unit.translate(_SAME) != tag.unit.translate(_SAME):
        return [f"{tag.name} ({tag.address}) is in {unit!r} by the server, in {tag.unit!r} by the tag"]
    return []


def _range(tag: Tag, low: float, high: float) -> list[str]:
    ends = sorted((low * tag.scale + tag.offset, high * tag.scale + tag.offset))
    stated = [(tag.low, ends[0]), (tag.high, ends[1])]
    if low < high and any(math.isfinite(ours) and not math.isclose(ours, end) for ours, end in stated):
        theirs = f"{ends[0]:g}..{ends[1]:g}"
        return [f"{tag.name} ({tag.address}) is {theirs} by the server, {tag.low:g}..{tag.high:g} by the tag"]
    return []
